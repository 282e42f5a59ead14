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
    visit.knows_by_address = known.is_some();
    let known = known.filter(|known| !known.is_over && known.instead_of == record.source.url);
    let is_due = known.as_ref().is_none_or(|known| known.next_try <= visit.now());
    let mut declared = if is_due { Some(in_one_way(visit, record).await?) } else { None };
    if let Some(mut ending) = declared.take_if(|ending| is_final(visit, ending, known.as_ref())) {
        // It is back.
        let is_back = |known| Some(StandIn { is_over: true, ..known });
        ending.harvest.stand_in = known.filter(|_| ending.news.ok).and_then(is_back);
        return Ok(ending);
    }
    let mut fetches: Vec<FetchRecord> = Vec::new();
    if let Some(declared) = &mut declared {
        fetches.append(&mut declared.harvest.fetches);
    }
    let mut failed = None;
    visit.knows_by_address = true;
    for adapter in in_order(&record.source, known.as_ref()) {
        visit.read_by(adapter);
        let mut ending = in_one_way(visit, record).await?;
        fetches.append(&mut ending.harvest.fetches);
        if ending.news.ok {
            ending.harvest.fetches = fetches;
            return Ok(stood_in(visit, record, known, declared, adapter, ending));
        }
        failed.get_or_insert(ending);
    }
    let is_passing = failed.as_ref().is_some_and(|failed| failed.news.deferred);
    // Of several failures that of the declared way is told.
    let Some(mut ending) = declared.or(failed) else { return in_one_way(visit, record).await };
    ending.harvest.fetches = fetches;
    // All are tried the next time, unless a fallback's host is only busy.
    let all = |known: StandIn| StandIn { next_try: visit.now(), ..known };
    ending.harvest.stand_in = known.filter(|_| !is_passing).map(all);
    Ok(ending)
}

/// Whether nothing else is to be tried: it was read, it was not asked, or, where nothing stands in for it, it may be a failure
/// of the moment. That nothing of its host comes through is none.
fn is_final(visit: &Visit, ending: &Ending, stand_in: Option<&StandIn>) -> bool {
    let state = ending.news.state;
    let is_passing = state.is_read() || state == SourceState::Probing;
    ending.news.ok || ending.is_cut_short || (stand_in.is_none() && is_passing && !visit.is_canary())
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
    declared: Option<Ending>,
    adapter: &Adapter,
    ending: Ending,
) -> Ending {
    let now = visit.now();
    let tries = known.as_ref().map_or(0, |known| known.tries) + u32::from(declared.is_some());
    let next_try = match (&known, &declared) {
        (Some(known), None) => known.next_try,
        _ => visit.after(due::spread(
            due::backoff(tries, RETRY, SLOWEST, RETRY),
            record.source.name.as_str(),
            u64::from(tries),
        )),
    };
    let since = known.map_or(now, |known| known.since);
    let reason = match &declared {
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
    let url = adapter.url.clone();
    let stand_in = Some(StandIn { url, instead_of, since, next_try, tries, is_over: false });
    // What the declared way showed of its host holds all the same.
    let host_health =
        ending.harvest.host_health.or(declared.and_then(|declared| declared.harvest.host_health));
    let harvest = Harvest { stand_in, host_health, ..ending.harvest };
    let news = SourceNews { state: SourceState::Degraded, reason, moved_to: None, ..ending.news };
    Ending { harvest, news, ..ending }
}
