//! `bench crawl`: pages per CPU-second of a whole crawl and of a bare loop that reads the same pages.

use origin::{Kind, Origin, World};
use serde_json::{Value, json};

use crate::laboratory::{Laboratory, TOPICS, file_bytes, json_output, source_yaml, spread};
use crate::yardstick::{Plan, Read};

/// The number of irrelevant links that make a page of about 23 KB.
const CLUTTER_LINKS: usize = 128;

/// Measure pages per CPU-second of a whole crawl, and of a bare loop in the same run
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench crawl                   article pages of about 23 KB
  bench crawl --read links      listing pages of about 23 KB

The yardstick is a bare loop. It makes the same requests and extracts the same fields, without robots.txt,
delays, matching and storing. CPU-seconds are those of the measured process alone.")]
pub(super) struct Args {
    /// Kind of pages to read
    #[arg(long, value_enum, default_value_t = Read::Article, value_name = "KIND")]
    read: Read,
    /// Number of rounds; each measures the crawl, then the bare loop
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Number of sites, crawled at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 40,
        value_parser = clap::value_parser!(u16).range(1..=200)
    )]
    sites: u16,
    /// Number of pages per site
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pages: u32,
}

/// The figures of one measured process.
struct Run {
    pages: f64,
    cpu: f64,
    memory: f64,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    // A listing is polled repeatedly, and most polls that find something find one new publication.
    let articles = if args.read == Read::Article { args.pages } else { 1 };
    let world = World::uniform(5, args.sites.into(), Kind::Listing, articles, CLUTTER_LINKS);
    let origin = Origin::start(world, clock.now()).await?;
    let laboratory = Laboratory::open(&origin, "[run]\nhosts = 64\n")?;
    let objects = laboratory.write("objects.yaml", &objects(&origin, args))?;
    let plan = Plan::new(&origin, args.read, args.pages);
    let plan = laboratory.write("plan.json", &serde_json::to_string(&plan)?)?;
    let (mut crawls, mut bare_loops, mut items) = (Vec::new(), Vec::new(), 0.0);
    let mut bytes = 0;
    for round in 1..=args.repeats {
        crate::report::progress(&format!("round {round} of {}", args.repeats));
        let data = format!("data-{round}");
        let mut declare = laboratory.command(&data)?;
        declare.args(["apply", "-o", "json", "-f"]).arg(&objects);
        json_output(declare).await?;
        let mut crawl = laboratory.command(&data)?;
        crawl.args(["run", "--once", "-o", "json", "--pages", "1000"]);
        let report = json_output(crawl).await?;
        items = number(&report, "items");
        crawls.push(Run::from_report(&report, "fetches"));
        bytes = file_bytes(&laboratory.path(&data));
        let mut bare_loop = tokio::process::Command::new(std::env::current_exe()?);
        bare_loop.arg("yardstick").arg(&plan).kill_on_drop(true);
        bare_loops.push(Run::from_report(&json_output(bare_loop).await?, "pages"));
    }
    crate::report::clear_progress();
    let rates = |runs: &[Run]| runs.iter().map(|run| run.pages / run.cpu).collect::<Vec<f64>>();
    let ratios: Vec<f64> =
        rates(&crawls).iter().zip(rates(&bare_loops)).map(|(crawl, bare_loop)| crawl / bare_loop).collect();
    let figures = json!({
        "read": if args.read == Read::Links { "links" } else { "article" },
        "repeats": args.repeats,
        "pages": crawls.first().map(|run| run.pages),
        "yardstick_pages": bare_loops.first().map(|run| run.pages),
        "items_stored": items,
        "pages_per_cpu_second": spread(rates(&crawls)),
        "yardstick_pages_per_cpu_second": spread(rates(&bare_loops)),
        "ratio": spread(ratios),
        "peak_memory_bytes": spread(crawls.iter().map(|run| run.memory).collect()),
        "yardstick_peak_memory_bytes": spread(bare_loops.iter().map(|run| run.memory).collect()),
        "data_bytes": bytes,
    });
    crate::report::print(&figures)
}

impl Run {
    /// Reads the figures from the report of a process. `pages_key` is the key of the number of pages.
    fn from_report(report: &Value, pages_key: &str) -> Self {
        Self {
            pages: number(report, pages_key),
            cpu: number(report, "cpu_seconds").max(0.01),
            memory: number(report, "peak_memory_bytes"),
        }
    }
}

/// Returns a number of a report, or 0 if the report has no such number.
fn number(report: &Value, key: &str) -> f64 {
    report.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Returns the declaration of the sources and topics of the crawl, as YAML.
fn objects(origin: &Origin, args: &Args) -> String {
    let mut text = TOPICS.to_owned();
    for site in &origin.world().sites {
        match args.read {
            Read::Article => {
                text.push_str(&source_yaml(&site.name, &origin.front(site), "always", "{min: 1h, max: 2h}"))
            }
            Read::Links => {
                for page in 0..args.pages {
                    let (name, url) =
                        (format!("{}-{page}", site.name), format!("{}?page={page}", origin.front(site)));
                    text.push_str(&source_yaml(&name, &url, "never", "{min: 1h, max: 2h}"));
                }
            }
        }
    }
    text
}
