//! `qyran topic preview`: what a query would bring, tried on everything stored, before it is saved.

use std::collections::{BTreeMap, BTreeSet};

use matcher::Query;
use model::{Name, Timestamp};
use serde_json::{Value, json};

use super::{bad_query, known, matched_by};
use crate::archive::{Looked, look_through};
use crate::backend::Backend;
use crate::global::Global;
use crate::named::definitions;
use crate::output::object;
use crate::view::{self, RightsOf};

/// Items shown of each kind.
const SAMPLES: usize = 5;
/// Days counted one by one, and the length of a month.
const DAYS: i64 = 30;
const DAY: i64 = 86_400;

/// Try a query on everything stored: how much it finds, by day and by part, and samples
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic preview '(Kaspi* OR translit(каспи)) NOT NEAR/2 (море OR теңіз)'
  qyran topic preview 'банк -реклама' --topic banks     what would come and go if the topic had this query

Counts are of items stored, by the day of their publication in UTC+5.")]
pub(super) struct Args {
    /// The query
    query: String,
    /// Compare with what this topic has matched
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    // A mistake is told without a store, too.
    Query::parse(&args.query).map_err(|error| bad_query(&args.query, &error))?;
    let data = Backend::to_read(global).await?;
    let definitions = definitions(&*data.store).await?;
    let query = definitions.query(&args.query).map_err(|error| bad_query(&args.query, &error))?;
    let before = match &args.topic {
        Some(name) => Some(matched_by(&*data.store, &known(&*data.store, name).await?.topic.name).await?),
        None => None,
    };
    let leaves = query.leaves();
    let exclusions = query.exclusions();
    let queries: Vec<Query> = std::iter::once(query.clone())
        .chain(exclusions.iter().map(|(_, without)| without.clone()))
        .chain(leaves.iter().map(|(_, leaf)| leaf.clone()))
        .collect();
    let mut counts = Counts::of(exclusions.len(), leaves.len(), before);
    let rights = RightsOf::load(&*data.store).await?;
    let items = look_through(&*data.store, queries, global, |looked| counts.add(looked, &rights)).await?;
    let shown = counts.shown(&query, items, &exclusions, &leaves, global.clock.now());
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "matched")?)
}

#[derive(Default)]
struct Counts {
    matched: u64,
    by_day: BTreeMap<i64, u64>,
    removed: Vec<u64>,
    by_leaf: Vec<u64>,
    samples: Vec<Value>,
    before: Option<BTreeSet<String>>,
    coming: Vec<Value>,
    comes: u64,
}

impl Counts {
    fn of(exclusions: usize, leaves: usize, before: Option<BTreeSet<String>>) -> Self {
        Self { removed: vec![0; exclusions], by_leaf: vec![0; leaves], before, ..Self::default() }
    }

    fn add(&mut self, looked: Looked, rights: &RightsOf) {
        let Looked { stored, found } = looked;
        let mut found = found.into_iter();
        let whole = found.next().flatten();
        for removed in &mut self.removed {
            let is_found = found.next().flatten().is_some();
            *removed += u64::from(whole.is_none() && is_found);
        }
        for count in &mut self.by_leaf {
            *count += u64::from(found.next().flatten().is_some());
        }
        let Some(spans) = whole else { return };
        self.matched += 1;
        let at = stored.item.published.as_ref().map_or(stored.first_seen, |published| published.at);
        *self.by_day.entry((at.as_second() + 5 * 3600).div_euclid(DAY)).or_default() += 1;
        let is_new = self.before.as_mut().is_some_and(|before| !before.remove(&stored.id));
        self.comes += u64::from(is_new);
        let Ok(name) = Name::new("preview") else { return };
        let hit = view::hit(&stored, &matcher::match_from_spans(name, &stored.item, spans), rights);
        if is_new && self.coming.len() < SAMPLES {
            self.coming.push(hit.clone());
        }
        // The newest are stored last.
        self.samples.push(hit);
        if self.samples.len() > SAMPLES {
            self.samples.remove(0);
        }
    }

    fn shown(
        self,
        query: &Query,
        items: u64,
        exclusions: &[(String, Query)],
        leaves: &[(String, Query)],
        now: Timestamp,
    ) -> Value {
        let today = (now.as_second() + 5 * 3600).div_euclid(DAY);
        let days: Vec<Value> = self
            .by_day
            .range(today - DAYS + 1..)
            .filter_map(|(day, count)| {
                let at = Timestamp::from_second(day * DAY).ok()?;
                Some(json!({"day": at.to_string().get(..10), "matched": count}))
            })
            .collect();
        // Of an archive that is shorter than a month, what it says of its own length.
        let first = self.by_day.range(today - DAYS + 1..).next().map_or(today, |(day, _)| *day);
        let recent: u64 = self.by_day.range(first..).map(|(_, count)| count).sum();
        let month = recent as f64 * DAYS as f64 / (today - first + 1).max(1) as f64;
        let named = |counts: &[u64], of: &[(String, Query)], key: &str| -> Vec<Value> {
            of.iter().zip(counts).map(|((name, _), count)| json!({"part": name, key: count})).collect()
        };
        let mut shown = json!({
            "understood_as": query.to_string(),
            "items": items,
            "cost": query.cost(),
            "matched": self.matched,
            "expected_per_month": month.round(),
            "days": days,
            "leaves": named(&self.by_leaf, leaves, "items"),
            "exclusions": named(&self.removed, exclusions, "removed"),
            "samples": self.samples,
            "warnings": query.warnings(),
        });
        if let (Some(shown), Some(left)) = (shown.as_object_mut(), self.before) {
            let going: Vec<&String> = left.iter().take(SAMPLES).collect();
            let change = json!({"come": self.comes, "go": left.len(), "coming": self.coming, "going": going});
            shown.insert("change".to_owned(), change);
        }
        shown
    }
}
