//! Sources that can be read in several ways: while the declared one fails, the first that can be read stands in for it. The
//! declared one is tried again at a slow pace, and read again as soon as it can be.

use std::time::Duration;

use model::{Adapter, FetchRecord, Harvest, Source, SourceNews, SourceState, StandIn};
use scheduler::due;
use store::SourceRecord;

use crate::poll::{Ending, in_one_way};
use crate::visit::{Interrupted, Visit};

/// The declared way is tried again after this; after each time in vain, as much later.
const RETRY: Duration = Duration::from_secs(15 * 60);
/// And at last.
const SLOWEST: Duration = Duration::from_secs(86_400);

/// Reads a source in the declared way, or else by the first of its fallbacks that can be read.
pub(crate) async fn in_any_way(visit: &mut Visit, record: &SourceRecord) -> Result<Ending, Interrupted> {
    let known = visit.context.store.stand_in(&record.source.name).await;
    let known = known.map_err(|error| Interrupted::Storage(error.to_string()))?;
    let known = known.filter(|known| known.instead_of == record.source.url);
    let is_due = known.as_ref().is_none_or(|known| known.next_try <= visit.now());
    let mut declared = if is_due { Some(in_one_way(visit, record).await?) } else { None };
    if let Some(mut ending) = declared.take_if(|ending| is_final(&ending.news, known.as_ref())) {
        // It is back.
        ending.harvest.stand_in = known.filter(|_| ending.news.ok).map(|_| None);
        return Ok(ending);
    }
    let mut fetches: Vec<FetchRecord> = Vec::new();
    if let Some(declared) = &mut declared {
        fetches.append(&mut declared.harvest.fetches);
    }
    let mut failed = None;
    for adapter in in_order(&record.source, known.as_ref()) {
        visit.read_by(adapter);
        let mut ending = in_one_way(visit, record).await?;
        fetches.append(&mut ending.harvest.fetches);
        if ending.news.ok {
            ending.harvest.fetches = fetches;
            return Ok(stood_in(visit, record, known, declared.as_ref(), adapter, ending));
        }
        failed.get_or_insert(ending);
    }
    // Of several failures that of the declared way is told.
    let Some(mut ending) = declared.or(failed) else { return in_one_way(visit, record).await };
    ending.harvest.fetches = fetches;
    // All are tried the next time.
    ending.harvest.stand_in = known.map(|known| Some(StandIn { next_try: visit.now(), ..known }));
    Ok(ending)
}

/// Whether nothing else is to be tried: it was read, there is no verdict, or, where nothing stands in for it, it may be a
/// failure of the moment.
fn is_final(news: &SourceNews, stand_in: Option<&StandIn>) -> bool {
    let is_passing = news.state.is_read() || news.state == SourceState::Probing;
    news.ok || news.deferred || (stand_in.is_none() && is_passing)
}

/// The one that stands in first, then the others as they are declared.
fn in_order<'s>(source: &'s Source, stand_in: Option<&StandIn>) -> Vec<&'s Adapter> {
    let mut order: Vec<&Adapter> = source.fallbacks.iter().collect();
    order.sort_by_key(|adapter| stand_in.is_none_or(|stand_in| adapter.url != stand_in.url));
    order
}

/// It was read by a fallback: with gaps, perhaps, and under the eyes of whoever is to mend it.
fn stood_in(
    visit: &Visit,
    record: &SourceRecord,
    known: Option<StandIn>,
    declared: Option<&Ending>,
    adapter: &Adapter,
    ending: Ending,
) -> Ending {
    let now = visit.now();
    let tries = known.as_ref().map_or(0, |known| known.tries) + u32::from(declared.is_some());
    let next_try = match (&known, declared) {
        (Some(known), None) => known.next_try,
        _ => visit.after(due::spread(
            due::backoff(tries, RETRY, SLOWEST, RETRY),
            record.source.name.as_str(),
            u64::from(tries),
        )),
    };
    let since = known.map_or(now, |known| known.since);
    let reason = match declared {
        Some(declared) => format!(
            "its {} {} stands in for it since {}: {}",
            adapter.kind.as_str(),
            adapter.url,
            model::rfc3339(since),
            declared.news.reason
        ),
        None => record.reason.clone(),
    };
    let instead_of = record.source.url.clone();
    let stand_in = StandIn { url: adapter.url.clone(), instead_of, since, next_try, tries };
    let harvest = Harvest { stand_in: Some(Some(stand_in)), ..ending.harvest };
    let news = SourceNews { state: SourceState::Degraded, reason, moved_to: None, ..ending.news };
    Ending { harvest, news, found: ending.found }
}
