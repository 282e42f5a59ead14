//! `qyran topic rematch`: matches stored items against topics again.
//!
//! An edit of a topic starts this automatically. The command is for other changes, such as a build with a new
//! dictionary or a source that was declared again.

use std::collections::{BTreeMap, BTreeSet};

use model::Name;
use serde_json::{Value, json};
use service::{Archive, matched_items};
use store::{Store, StoredItem, TopicRecord};

use super::{ScanProgress, find_topic};
use crate::backend::Backend;
use crate::commands::apply::match_again;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::message::{clean_lines, print_message};
use crate::terminal::output::{column, object, rows};

/// The maximum number of sample items for each kind of change.
const SAMPLES: usize = 5;

/// Match all stored items against topics again
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic rematch banks --dry-run            show the changes without making them
  qyran topic rematch banks --reason 'new dictionary'
  qyran topic rematch --all

A running node continues an interrupted rematch. Without a node, the next `qyran apply` or rematch continues it.

An edited topic needs no rematch: apply matches the stored items again. Items of sources that are no longer declared keep their matches, because the properties of those sources are no longer stored.")]
pub(super) struct Args {
    /// Names of the topics
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    topics: Vec<String>,
    /// Match all topics
    #[arg(long, conflicts_with = "dry_run")]
    all: bool,
    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    if args.dry_run {
        let data = Backend::open_read_only(global).await?;
        let records = select_topics(args, &*data.store).await?;
        return dry_run(&*data.store, records, global).await;
    }
    let data = Backend::open(global).await?;
    let records = select_topics(args, &*data.store).await?;
    let names: Vec<Name> = records.iter().map(|record| record.topic.name.clone()).collect();
    data.store.restart_matching(&names).await?;
    for name in &names {
        args.reason.note(&data, "topic rematch", &format!("topic/{name}"), global).await?;
    }
    let progress = match_again(&*data.store, global).await?;
    let records = data.store.topics().await?;
    for record in records.iter().filter(|one| !one.is_matched && names.contains(&one.topic.name)) {
        let name = &record.topic.name;
        print_message(&format!(
            "warning: {name} keeps its matches: its query is invalid, or it was edited during the rematch; \
             qyran topic get {name} shows the query"
        ));
    }
    let output = json!({"topics": names.len(), "items": progress.items, "new_matches": progress.new_matches});
    Ok(object(&mut std::io::stdout().lock(), global.output, &output, "new_matches")?)
}

async fn select_topics(args: &Args, store: &dyn Store) -> anyhow::Result<Vec<TopicRecord>> {
    if args.all {
        return Ok(store.topics().await?);
    }
    let mut records = Vec::new();
    for name in args.topics.iter().collect::<BTreeSet<_>>() {
        records.push(find_topic(store, name).await?);
    }
    Ok(records)
}

/// The effect of a rematch on a topic.
#[derive(Default)]
struct Change {
    /// The ids of stored matches that the scan has not confirmed.
    before: BTreeSet<String>,
    stay: u64,
    come: u64,
    coming: Vec<Value>,
}

impl Change {
    fn add(&mut self, stored: &StoredItem) {
        if self.before.remove(&stored.id) {
            self.stay += 1;
            return;
        }
        self.come += 1;
        if self.coming.len() < SAMPLES {
            self.coming.push(json!({"id": stored.id, "title": stored.item.title}));
        }
    }

    fn keep(&mut self, stored: &StoredItem) {
        self.stay += u64::from(self.before.remove(&stored.id));
    }

    fn to_json(&self, topic: &Name) -> Value {
        let going: Vec<&String> = self.before.iter().take(SAMPLES).collect();
        json!({"topic": topic, "stay": self.stay, "come": self.come, "go": self.before.len(),
               "coming": self.coming, "going": going})
    }
}

async fn dry_run(store: &dyn Store, records: Vec<TopicRecord>, global: &Global) -> anyhow::Result<()> {
    let mut changes: BTreeMap<Name, Change> = BTreeMap::new();
    for record in &records {
        let before = matched_items(store, &record.topic.name).await?;
        changes.insert(record.topic.name.clone(), Change { before, ..Change::default() });
    }
    let archive = Archive::new(store, records.into_iter().map(|record| record.topic).collect()).await?;
    for rejected in &archive.rejected {
        let (name, error) = (&rejected.topic.name, &rejected.error);
        print_message(&clean_lines(&format!(
            "warning: {name} keeps its matches: its query is invalid: {error}"
        )));
        changes.remove(name);
    }
    let mut progress = ScanProgress::new(store, global).await?;
    let (mut after, mut scanned) = (0, 0);
    while let Some((items, matched)) = archive.step(store, after).await? {
        after = items.last().map_or(after, |last| last.row);
        scanned += items.len() as u64;
        // Items that are not matched again keep their matches.
        let rematched: BTreeSet<i64> = matched.iter().map(|rematch_row| rematch_row.row).collect();
        for stored in items.iter().filter(|stored| !rematched.contains(&stored.row)) {
            changes.values_mut().for_each(|change| change.keep(stored));
        }
        let by_row: BTreeMap<i64, &StoredItem> = items.iter().map(|stored| (stored.row, stored)).collect();
        for rematch_row in &matched {
            let Some(stored) = by_row.get(&rematch_row.row) else { continue };
            for new_match in &rematch_row.matches {
                changes.entry(new_match.topic.clone()).or_default().add(stored);
            }
        }
        progress.show(scanned);
    }
    progress.clear();
    let columns = [column("topic"), column("stay"), column("come"), column("go")];
    let mut rows = rows(global.output, &columns, "topic");
    for (topic, change) in &changes {
        rows.row(change.to_json(topic))?;
    }
    Ok(rows.finish("no topics; declare some with `qyran apply -f FILE`")?)
}
