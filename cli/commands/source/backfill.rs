//! `qyran source backfill`: what a source published before it was watched.

use std::process::ExitCode;

use config::parse_duration;
use crawler::read;
use model::{Backfill, Fallback, Pointers, Selectors, Source, SourceKind, Timestamp, Watch, rfc3339};
use serde_json::{Value, json};
use url::Url;

use super::known;
use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{object, time};

/// Read what a source published before it was watched, or show how far that has come
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source backfill akorda --since 90d --reason 'the election'
  qyran source backfill tengri --since 2026-09-01 --url https://tengri.example/sitemap.xml --kind sitemap
  qyran source backfill tengri                     # how far it has come
  qyran source backfill tengri --stop

Nodes read on page by page (further pages of listings, channels and interfaces; RFC 5005 and WordPress feeds) or sitemap by sitemap,
one document a turn and no sooner than ten of the host's delays after the one before, so that fresh work comes first. Most
feeds show what is new only: a sitemap has the rest.")]
pub(super) struct Args {
    /// Which source
    name: String,
    /// Begin: back to this time (2026-09-01), or for so long (90d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Read the past at this address
    #[arg(long, value_name = "URL", requires = "since")]
    url: Option<Url>,
    /// As this kind of source
    #[arg(long, value_name = "KIND", requires = "url")]
    kind: Option<String>,
    /// End it; what was read stays
    #[arg(long, conflicts_with = "since")]
    stop: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.since.is_none() && !args.stop {
        let data = Backend::to_read(global).await?;
        let record = known(&*data.store, &args.name).await?;
        let Some(backfill) = data.store.backfill(&record.source.name).await? else {
            return Err(Failure::not_found(format!("nobody read the past of {}", args.name))
                .hint("--since 90d begins to")
                .into());
        };
        object(&mut std::io::stdout().lock(), global.output, &shown(&backfill), "since")?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = Backend::open(global).await?;
    let record = known(&*data.store, &args.name).await?;
    let (name, now) = (&record.source.name, global.clock.now());
    if args.stop {
        let under_way = data.store.backfill(name).await?.filter(Backfill::is_in_progress);
        let Some(backfill) = under_way else {
            return Err(Failure::failed(format!("nobody reads the past of {name}")).into());
        };
        data.store.set_backfill(name, &Backfill { ended: Some(now), ahead: Vec::new(), ..backfill }).await?;
        args.reason.note(&data, "source backfill --stop", &format!("source/{name}"), global).await?;
        say(&format!("the past of {name} is not read any further"));
        return Ok(ExitCode::SUCCESS);
    }
    if data.store.backfill(name).await?.is_some_and(|backfill| backfill.is_in_progress()) {
        return Err(Failure::failed(format!("the past of {name} is read already"))
            .hint(format!("qyran source backfill {name} shows how far it has come; --stop ends it"))
            .into());
    }
    let backfill = begun(args, &record.source, now)?;
    data.store.set_backfill(name, &backfill).await?;
    service::plan_backfill(&*data.store, &*data.schedule, name, &backfill, super::plan_terms(global)).await?;
    let target = format!("source/{name} since {}", rfc3339(backfill.since));
    args.reason.note(&data, "source backfill", &target, global).await?;
    say(&format!("the past of {name} is read back to {}, behind fresh work", rfc3339(backfill.since)));
    Ok(ExitCode::SUCCESS)
}

fn begun(args: &Args, source: &Source, now: Timestamp) -> anyhow::Result<Backfill> {
    let since = since(args.since.as_deref().unwrap_or_default(), now)?;
    if source.watch() != Watch::On {
        return Err(Failure::failed(format!("{} is not watched now", source.name))
            .hint(format!("qyran source resume {}", source.name))
            .into());
    }
    let way = args.url.clone().map(|url| way(url, args.kind.as_deref(), source)).transpose()?;
    let read = way.as_ref().map_or_else(|| source.clone(), |way| source.with_fallback(way));
    if !matches!(read.url.scheme(), "http" | "https") {
        return Err(Failure::usage(format!("the scheme {:?} cannot be fetched", read.url.scheme())).into());
    }
    if read::needs_token(read.kind) && read.token.is_none() {
        return Err(Failure::usage(format!(
            "{} wants a token, which {} has not there",
            read.kind.as_str(),
            source.name
        ))
        .into());
    }
    if read.kind == SourceKind::Json && read.pointers.is_empty() {
        return Err(Failure::usage("nothing says where things stand in this JSON")
            .hint("declare it as a fallback with pointers, or as a source")
            .into());
    }
    if read.kind == SourceKind::Import || read.is_searched() || read::is_stream(read.kind) {
        return Err(Failure::usage(format!(
            "{} is not polled: there is nothing to page through",
            source.name
        ))
        .hint("--url and --kind name an address that is")
        .into());
    }
    Ok(Backfill::new(since, now, way, read::address_of(&read, "")))
}

fn way(url: Url, kind: Option<&str>, source: &Source) -> anyhow::Result<Fallback> {
    let known = |text: &str| SourceKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    let kind = match kind {
        None => source.kind,
        Some(text) => known(text).ok_or_else(|| {
            let all = SourceKind::ALL.map(SourceKind::as_str);
            let hint = config::nearest(text, all).map(|near| format!("did you mean {near:?}?"));
            let failure = Failure::usage(format!("there is no kind of source {text:?}"));
            failure.hint(hint.unwrap_or_else(|| format!("one of {}", all.join(", "))))
        })?,
    };
    if let Err(error) = read::endpoint(kind, &url) {
        return Err(Failure::usage(format!("{url}: {error}")).into());
    }
    let (selectors, pointers) = if kind == source.kind {
        (source.selectors.clone(), source.pointers.clone())
    } else {
        (Selectors { text: source.selectors.text.clone(), ..Selectors::default() }, Pointers::default())
    };
    Ok(Fallback { kind, url, selectors, pointers })
}

/// A time, a day, or how long ago.
fn since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok();
    let ago = || now.checked_sub(parse_duration(text).ok()?).ok();
    let at = text.parse().ok().or_else(day).or_else(ago);
    match at {
        Some(at) if at < now => Ok(at),
        Some(_) => Err(Failure::usage(format!("{text} is not in the past")).into()),
        None => Err(Failure::usage(format!("{text:?} is no time"))
            .hint("write a day (2026-09-01), a time (2026-09-01T12:00:00Z), or for how long (90d)")
            .into()),
    }
}

fn shown(backfill: &Backfill) -> Value {
    json!({
        "since": time(Some(backfill.since)),
        "state": match (backfill.is_in_progress(), &backfill.trouble) {
            (true, _) => "under way",
            (false, None) => "ended",
            (false, Some(_)) => "ended with trouble",
        },
        "began": time(Some(backfill.began)),
        "ended": time(backfill.ended),
        "documents": backfill.documents,
        "new_entries": backfill.new,
        "oldest": time(backfill.oldest),
        "ahead": backfill.ahead.len(),
        "next": backfill.ahead.first(),
        "trouble": backfill.trouble,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-09-01", Some("2026-09-01T00:00:00Z")),
            ("2026-09-01T03:00:00+05:00", Some("2026-08-31T22:00:00Z")),
            ("2d", Some("2026-11-24T12:00:00Z")),
            ("2027-01-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            let found = since(text, now).ok();
            assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{text:?}");
        }
    }
}
