//! `qyran source backfill`: reads what a source published before it was declared.

use std::process::ExitCode;

use config::parse_duration;
use crawler::read;
use model::{Backfill, Fallback, Pointers, Selectors, Source, SourceKind, Timestamp, Watch, rfc3339};
use serde_json::{Value, json};
use url::Url;

use super::find_source;
use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{object, time};

/// Read what a source published before it was declared, or show the progress
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source backfill akorda --since 90d --reason 'the election'
  qyran source backfill tengri --since 2026-09-01 --url https://tengri.example/sitemap.xml --kind sitemap
  qyran source backfill tengri                     # show the progress
  qyran source backfill tengri --stop

Nodes read further pages (of listings, channels, APIs, RFC 5005 feeds and WordPress feeds) or further sitemaps: one document a turn, at least ten host delays after the previous one, so that new publications come first.

Most feeds contain only recent entries. Use a sitemap for older ones.")]
pub(super) struct Args {
    /// Name of the source
    name: String,
    /// Start a backfill back to this date (2026-09-01) or over this period (90d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Read this address instead of the address of the source
    #[arg(long, value_name = "URL", requires = "since")]
    url: Option<Url>,
    /// Kind of source at --url [default: the kind of the source]
    #[arg(long, value_name = "KIND", requires = "url")]
    kind: Option<String>,
    /// Stop the backfill; its items stay
    #[arg(long, conflicts_with = "since")]
    stop: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.since.is_none() && !args.stop {
        let data = Backend::open_read_only(global).await?;
        let record = find_source(&*data.store, &args.name).await?;
        let Some(backfill) = data.store.backfill(&record.source.name).await? else {
            return Err(Failure::not_found(format!("no backfill of {}", args.name))
                .hint("start one with --since 90d")
                .into());
        };
        object(&mut std::io::stdout().lock(), global.output, &backfill_json(&backfill), "since")?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = Backend::open(global).await?;
    let record = find_source(&*data.store, &args.name).await?;
    let (name, now) = (&record.source.name, global.clock.now());
    if args.stop {
        let active = data.store.backfill(name).await?.filter(Backfill::is_in_progress);
        let Some(backfill) = active else {
            return Err(Failure::failed(format!("no backfill of {name} is in progress")).into());
        };
        data.store.set_backfill(name, &Backfill { ended: Some(now), ahead: Vec::new(), ..backfill }).await?;
        args.reason.note(&data, "source backfill --stop", &format!("source/{name}"), global).await?;
        print_message(&format!("the backfill of {name} is stopped"));
        return Ok(ExitCode::SUCCESS);
    }
    if data.store.backfill(name).await?.is_some_and(|backfill| backfill.is_in_progress()) {
        return Err(Failure::failed(format!("a backfill of {name} is already in progress"))
            .hint(format!("qyran source backfill {name} shows its progress; --stop ends it"))
            .into());
    }
    let backfill = new_backfill(args, &record.source, now)?;
    data.store.set_backfill(name, &backfill).await?;
    service::plan_backfill(&*data.store, &*data.schedule, name, &backfill, super::plan_terms(global)).await?;
    let target = format!("source/{name} since {}", rfc3339(backfill.since));
    args.reason.note(&data, "source backfill", &target, global).await?;
    print_message(&format!("started a backfill of {name} back to {}", rfc3339(backfill.since)));
    Ok(ExitCode::SUCCESS)
}

/// Returns a new backfill. Fails if the source or the address of the backfill cannot be paged through.
fn new_backfill(args: &Args, source: &Source, now: Timestamp) -> anyhow::Result<Backfill> {
    let since = parse_since(args.since.as_deref().unwrap_or_default(), now)?;
    if source.watch() != Watch::On {
        return Err(Failure::failed(format!("{} is not active", source.name))
            .hint(format!("qyran source resume {}", source.name))
            .into());
    }
    let fallback =
        args.url.clone().map(|url| parse_fallback(url, args.kind.as_deref(), source)).transpose()?;
    let target = fallback.as_ref().map_or_else(|| source.clone(), |fallback| source.with_fallback(fallback));
    if !matches!(target.url.scheme(), "http" | "https") {
        return Err(
            Failure::usage(format!("cannot fetch URLs with the scheme {:?}", target.url.scheme())).into()
        );
    }
    if read::needs_token(target.kind) && target.token.is_none() {
        return Err(Failure::usage(format!(
            "the kind {} requires a token, and {} has none for this address",
            target.kind.as_str(),
            source.name
        ))
        .into());
    }
    if target.kind == SourceKind::Json && target.pointers.is_empty() {
        return Err(Failure::usage("a JSON source requires pointers")
            .hint("declare the address as a fallback with pointers, or as a source")
            .into());
    }
    if target.kind == SourceKind::Import || target.is_searched() || read::is_stream(target.kind) {
        return Err(Failure::usage(format!("{} is not polled, so it has no pages to backfill", source.name))
            .hint("name an address to read with --url and --kind")
            .into());
    }
    Ok(Backfill::new(since, now, fallback, read::address_of(&target, "")))
}

/// Returns the fallback that `--url` and `--kind` describe.
fn parse_fallback(url: Url, kind: Option<&str>, source: &Source) -> anyhow::Result<Fallback> {
    let parse_kind = |text: &str| SourceKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    let kind = match kind {
        None => source.kind,
        Some(text) => parse_kind(text).ok_or_else(|| {
            let names = SourceKind::ALL.map(SourceKind::as_str);
            let hint = config::nearest(text, names).map(|near| format!("did you mean {near:?}?"));
            let failure = Failure::usage(format!("unknown source kind {text:?}"));
            failure.hint(hint.unwrap_or_else(|| format!("valid kinds: {}", names.join(", "))))
        })?,
    };
    if let Err(error) = read::endpoint(kind, &url) {
        return Err(Failure::usage(format!("cannot read {url}: {error}")).into());
    }
    let (selectors, pointers) = if kind == source.kind {
        (source.selectors.clone(), source.pointers.clone())
    } else {
        (Selectors { text: source.selectors.text.clone(), ..Selectors::default() }, Pointers::default())
    };
    Ok(Fallback { kind, url, selectors, pointers })
}

/// Parses a time, a date or a period before `now`. Fails if the time is not in the past.
fn parse_since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok();
    let ago = || now.checked_sub(parse_duration(text).ok()?).ok();
    let at = text.parse().ok().or_else(day).or_else(ago);
    match at {
        Some(at) if at < now => Ok(at),
        Some(_) => Err(Failure::usage(format!("{text} is not in the past")).into()),
        None => Err(Failure::usage(format!("{text:?} is not a time"))
            .hint("use a date (2026-09-01), a time (2026-09-01T12:00:00Z) or a period (90d)")
            .into()),
    }
}

fn backfill_json(backfill: &Backfill) -> Value {
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
    fn since_accepts_dates_times_and_periods() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-09-01", Some("2026-09-01T00:00:00Z")),
            ("2026-09-01T03:00:00+05:00", Some("2026-08-31T22:00:00Z")),
            ("2d", Some("2026-11-24T12:00:00Z")),
            ("2027-01-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            let since = parse_since(text, now).ok();
            assert_eq!(since, expected.map(|text| text.parse().unwrap()), "{text:?}");
        }
    }
}
