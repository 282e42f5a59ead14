//! `bench crawl`: the whole pipeline beside a bare loop that does the same reading.

use origin::{Kind, Origin, World};
use serde_json::{Value, json};

use crate::laboratory::{Laboratory, TOPICS, answer, bytes_of, source, spread};
use crate::yardstick::{Plan, Read};

/// Links of clutter that make a page of about 23 KB.
const CLUTTER: usize = 128;

/// Pages per CPU-second through the whole pipeline, beside a bare loop in the same run
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench crawl                   article pages of about 23 KB
  bench crawl --read links      listing pages of about 23 KB

The yardstick is a loop of requests with the same client, the same reading and nothing around it: no
robots, no politeness, no matching, no store. CPU-seconds are those of the measured process alone.")]
pub(super) struct Args {
    /// What is read of each page
    #[arg(long, value_enum, default_value_t = Read::Article, value_name = "WHAT")]
    read: Read,
    /// How often each is measured, in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Sites, visited at the same time
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=200))]
    sites: u16,
    /// Pages of each site
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pages: u32,
}

/// What one process did.
struct Run {
    pages: f64,
    cpu: f64,
    memory: f64,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    // A listing is polled again and again: most polls that bring something bring one new publication.
    let articles = if args.read == Read::Article { args.pages } else { 1 };
    let world = World::uniform(5, args.sites.into(), Kind::Listing, articles, CLUTTER);
    let origin = Origin::start(world, clock.now()).await?;
    let laboratory = Laboratory::open(&origin, "[run]\nhosts = 64\n")?;
    let objects = objects(&origin, args);
    let objects = laboratory.write("objects.yaml", &objects)?;
    let plan = Plan::of(&origin, args.read, args.pages);
    let plan = laboratory.write("plan.json", &serde_json::to_string(&plan)?)?;
    let (mut ours, mut yardstick, mut items) = (Vec::new(), Vec::new(), 0.0);
    let mut bytes = 0;
    for turn in 1..=args.repeats {
        crate::report::progress(&format!("{turn} of {}", args.repeats));
        let data = format!("data-{turn}");
        let mut declare = laboratory.command(&data)?;
        declare.args(["apply", "-o", "json", "-f"]).arg(&objects);
        answer(declare).await?;
        let mut crawl = laboratory.command(&data)?;
        crawl.args(["run", "--once", "-o", "json", "--pages", "1000"]);
        let report = answer(crawl).await?;
        items = number(&report, "items");
        ours.push(Run { pages: number(&report, "fetches"), ..measured(&report) });
        bytes = bytes_of(&laboratory.path(&data));
        let mut bare = tokio::process::Command::new(std::env::current_exe()?);
        bare.arg("yardstick").arg(&plan).kill_on_drop(true);
        let report = answer(bare).await?;
        yardstick.push(Run { pages: number(&report, "pages"), ..measured(&report) });
    }
    crate::report::clear_progress();
    let rates = |runs: &[Run]| runs.iter().map(|run| run.pages / run.cpu).collect::<Vec<f64>>();
    let ratios: Vec<f64> =
        rates(&ours).iter().zip(rates(&yardstick)).map(|(ours, bare)| ours / bare).collect();
    let figures = json!({
        "read": if args.read == Read::Links { "links" } else { "article" },
        "repeats": args.repeats,
        "pages": ours.first().map(|run| run.pages),
        "yardstick_pages": yardstick.first().map(|run| run.pages),
        "items_stored": items,
        "pages_per_cpu_second": spread(rates(&ours)),
        "yardstick_pages_per_cpu_second": spread(rates(&yardstick)),
        "ratio": spread(ratios),
        "peak_memory_bytes": spread(ours.iter().map(|run| run.memory).collect()),
        "yardstick_peak_memory_bytes": spread(yardstick.iter().map(|run| run.memory).collect()),
        "data_bytes": bytes,
    });
    crate::report::print(&figures)
}

fn measured(report: &Value) -> Run {
    Run {
        pages: 0.0,
        cpu: number(report, "cpu_seconds").max(0.01),
        memory: number(report, "peak_memory_bytes"),
    }
}

fn number(report: &Value, key: &str) -> f64 {
    report.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

fn objects(origin: &Origin, args: &Args) -> String {
    let mut text = TOPICS.to_owned();
    for site in &origin.world().sites {
        match args.read {
            Read::Article => {
                text.push_str(&source(&site.name, &origin.front(site), "always", "{min: 1h, max: 2h}"))
            }
            Read::Links => {
                for page in 0..args.pages {
                    let (name, url) =
                        (format!("{}-{page}", site.name), format!("{}?page={page}", origin.front(site)));
                    text.push_str(&source(&name, &url, "never", "{min: 1h, max: 2h}"));
                }
            }
        }
    }
    text
}
