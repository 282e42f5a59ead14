//! Preview of a query: its matches among the stored items, before it is saved.

use std::collections::{BTreeMap, BTreeSet};

use matcher::{Query, Warning, match_from_spans};
use model::{Name, Timestamp};
use serde::Serialize;
use store::{MaterialQuery, Store, StoreError};

use crate::search::{Evaluation, SearchError, evaluate_all, resolve_query};
use crate::views::{HitView, SourceRights};

/// Upper bound on the items in each sample.
const MAX_SAMPLES: usize = 5;
/// The days that are counted one by one, and the length of a month.
const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// The offset of the days, UTC+5: the time zone of Kazakhstan.
const OFFSET_SECONDS: i64 = 5 * 3600;
/// Matches of a topic read at once.
const PAGE_MATCHES: usize = 500;

/// The matches of a query among the stored items.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The canonical text of the query.
    pub understood_as: String,
    /// The number of stored items.
    pub items: u64,
    /// The cost of the query.
    pub cost: u32,
    /// The number of matching items.
    pub matched: u64,
    /// The expected number of matches in a month.
    pub expected_per_month: f64,
    /// The matches of the last days.
    pub days: Vec<DayCount>,
    /// The items that each leaf of the query matches alone.
    pub leaves: Vec<LeafCount>,
    /// The items that each exclusion removes.
    pub exclusions: Vec<ExclusionCount>,
    /// The newest matching items.
    pub samples: Vec<HitView>,
    /// Warnings about the query.
    pub warnings: Vec<Warning>,
    /// The difference to the matches of a topic, if one is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<MatchChange>,
}

/// The matches of a day.
#[derive(Debug, Clone, Serialize)]
pub struct DayCount {
    /// The date.
    pub day: String,
    /// The number of matching items.
    pub matched: u64,
}

/// The items that a leaf matches.
#[derive(Debug, Clone, Serialize)]
pub struct LeafCount {
    /// The canonical text of the leaf.
    pub part: String,
    /// The number of items.
    pub items: u64,
}

/// The items that an exclusion removes.
#[derive(Debug, Clone, Serialize)]
pub struct ExclusionCount {
    /// The canonical text of the exclusion.
    pub part: String,
    /// The number of items.
    pub removed: u64,
}

/// The difference between the matches of a query and those of a topic.
#[derive(Debug, Clone, Serialize)]
pub struct MatchChange {
    /// The number of items that only the query matches.
    pub come: u64,
    /// The number of items that only the topic has matched.
    pub go: usize,
    /// A sample of the items that only the query matches.
    pub coming: Vec<HitView>,
    /// A sample of the identifiers of items that only the topic has matched.
    pub going: Vec<String>,
}

/// Evaluates a query on all stored items. With `topic`, compares the result with the matches of that topic.
pub async fn preview(
    store: &dyn Store,
    text: &str,
    topic: Option<&Name>,
    now: Timestamp,
    progress: impl FnMut(u64),
) -> Result<Preview, SearchError> {
    let query = resolve_query(store, text).await?;
    let previous = match topic {
        Some(topic) => Some(matched_items(store, topic).await?),
        None => None,
    };
    let (leaves, exclusions) = (query.leaves(), query.exclusions());
    let queries: Vec<Query> = std::iter::once(query.clone())
        .chain(exclusions.iter().map(|(_, without)| without.clone()))
        .chain(leaves.iter().map(|(_, leaf)| leaf.clone()))
        .collect();
    let rights = SourceRights::load(store).await?;
    let mut counts = Counts::new(exclusions.len(), leaves.len(), previous);
    let items = evaluate_all(store, queries, progress, |evaluation| counts.add(evaluation, &rights)).await?;
    Ok(counts.into_preview(&query, items, &exclusions, &leaves, now))
}

/// Returns the identifiers of the items that a topic has matched.
pub async fn matched_items(store: &dyn Store, topic: &Name) -> Result<BTreeSet<String>, StoreError> {
    let mut query =
        MaterialQuery { topic: Some(topic.clone()), limit: PAGE_MATCHES, ..MaterialQuery::default() };
    let mut ids = BTreeSet::new();
    loop {
        let page = store.materials(&query).await?;
        let Some(last) = page.last() else { return Ok(ids) };
        query.after_seq = last.seq;
        ids.extend(page.into_iter().map(|stored| stored.item.id));
    }
}

#[derive(Default)]
struct Counts {
    matched: u64,
    by_day: BTreeMap<i64, u64>,
    removed: Vec<u64>,
    by_leaf: Vec<u64>,
    samples: Vec<HitView>,
    /// The items of the compared topic that the query has not matched so far.
    previous: Option<BTreeSet<String>>,
    coming: Vec<HitView>,
    come: u64,
}

impl Counts {
    fn new(exclusions: usize, leaves: usize, previous: Option<BTreeSet<String>>) -> Self {
        Self { removed: vec![0; exclusions], by_leaf: vec![0; leaves], previous, ..Self::default() }
    }

    fn add(&mut self, evaluation: Evaluation, rights: &SourceRights) {
        let Evaluation { stored, spans } = evaluation;
        let mut results = spans.into_iter();
        let whole = results.next().flatten();
        for removed in &mut self.removed {
            let matches_without = results.next().flatten().is_some();
            *removed += u64::from(whole.is_none() && matches_without);
        }
        for count in &mut self.by_leaf {
            *count += u64::from(results.next().flatten().is_some());
        }
        let Some(spans) = whole else { return };
        self.matched += 1;
        let at = stored.item.published.as_ref().map_or(stored.first_seen, |published| published.at);
        *self.by_day.entry(day_of(at)).or_default() += 1;
        let is_new = self.previous.as_mut().is_some_and(|previous| !previous.remove(&stored.id));
        self.come += u64::from(is_new);
        let match_ = match_from_spans(Name::from_stored("preview".to_owned()), &stored.item, spans);
        let hit = HitView::new(&stored, &match_, rights);
        if is_new && self.coming.len() < MAX_SAMPLES {
            self.coming.push(hit.clone());
        }
        // The newest items are stored last.
        self.samples.push(hit);
        if self.samples.len() > MAX_SAMPLES {
            self.samples.remove(0);
        }
    }

    fn into_preview(
        self,
        query: &Query,
        items: u64,
        exclusions: &[(String, Query)],
        leaves: &[(String, Query)],
        now: Timestamp,
    ) -> Preview {
        let today = day_of(now);
        let days = self
            .by_day
            .range(today - DAYS + 1..)
            .filter_map(|(day, count)| {
                let at = Timestamp::from_second(day * DAY_SECONDS).ok()?;
                Some(DayCount { day: at.to_string().get(..10)?.to_owned(), matched: *count })
            })
            .collect();
        // An archive of less than a month is extrapolated from its own length.
        let first = self.by_day.range(today - DAYS + 1..).next().map_or(today, |(day, _)| *day);
        let recent: u64 = self.by_day.range(first..).map(|(_, count)| count).sum();
        let month = recent as f64 * DAYS as f64 / (today - first + 1).max(1) as f64;
        let leaves = leaves.iter().zip(&self.by_leaf);
        let exclusions = exclusions.iter().zip(&self.removed);
        let change = self.previous.map(|previous| MatchChange {
            come: self.come,
            go: previous.len(),
            coming: self.coming,
            going: previous.into_iter().take(MAX_SAMPLES).collect(),
        });
        Preview {
            understood_as: query.to_string(),
            items,
            cost: query.cost(),
            matched: self.matched,
            expected_per_month: month.round(),
            days,
            leaves: leaves
                .map(|((part, _), items)| LeafCount { part: part.clone(), items: *items })
                .collect(),
            exclusions: exclusions
                .map(|((part, _), removed)| ExclusionCount { part: part.clone(), removed: *removed })
                .collect(),
            samples: self.samples,
            warnings: query.warnings().to_vec(),
            change,
        }
    }
}

fn day_of(at: Timestamp) -> i64 {
    (at.as_second() + OFFSET_SECONDS).div_euclid(DAY_SECONDS)
}
