//! `qyran topic rematch`: what is stored is matched again, as after an edit of the topic.
//!
//! Edits do that by themselves; this is for what changed otherwise: a new build with a better dictionary, a source that
//! was declared again.

use std::collections::{BTreeMap, BTreeSet};

use model::Name;
use serde_json::{Value, json};
use service::{Archive, matched_items};
use store::{Store, StoredItem, TopicRecord};

use super::{ScanProgress, known};
use crate::backend::Backend;
use crate::commands::apply::match_again;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::message::{clean_lines, print_message};
use crate::terminal::output::{column, object, rows};

/// Items named of each kind.
const SAMPLES: usize = 5;

/// Match everything stored against topics again; --dry-run shows what would come and go
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic rematch banks --dry-run            what would come and go; changes nothing
  qyran topic rematch banks --reason 'new dictionary'
  qyran topic rematch --all

Interrupted, it goes on where it was: by itself where a node runs, else with the next `qyran apply` or rematch. An
edited topic needs none of this: what is stored is matched again when the edit is applied. Items of sources that are no
longer declared keep what they matched: nobody knows any more what those sources were.")]
pub(super) struct Args {
    /// Which topics
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    topics: Vec<String>,
    /// Every topic
    #[arg(long, conflicts_with = "dry_run")]
    all: bool,
    /// Only show what would come and go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    if args.dry_run {
        let data = Backend::to_read(global).await?;
        let records = wanted(args, &*data.store).await?;
        return dry_run(&*data.store, records, global).await;
    }
    let data = Backend::open(global).await?;
    let records = wanted(args, &*data.store).await?;
    let names: Vec<Name> = records.iter().map(|record| record.topic.name.clone()).collect();
    data.store.restart_matching(&names).await?;
    for name in &names {
        args.reason.note(&data, "topic rematch", &format!("topic/{name}"), global).await?;
    }
    let done = match_again(&*data.store, global).await?;
    let records = data.store.topics().await?;
    for left in records.iter().filter(|one| !one.is_matched && names.contains(&one.topic.name)) {
        let name = &left.topic.name;
        print_message(&format!(
            "warning: {name} keeps what it has: it cannot be read, or was edited meanwhile; qyran topic get {name} says which"
        ));
    }
    let shown = json!({"topics": names.len(), "items": done.items, "new_matches": done.new_matches});
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "new_matches")?)
}

async fn wanted(args: &Args, store: &dyn Store) -> anyhow::Result<Vec<TopicRecord>> {
    if args.all {
        return Ok(store.topics().await?);
    }
    let mut records = Vec::new();
    for name in args.topics.iter().collect::<BTreeSet<_>>() {
        records.push(known(store, name).await?);
    }
    Ok(records)
}

/// What matching again would do to a topic.
#[derive(Default)]
struct Change {
    /// Ids of what it has matched that were not seen yet.
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

    fn shown(&self, topic: &Name) -> Value {
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
    for bad in &archive.rejected {
        let (name, error) = (&bad.topic.name, &bad.error);
        print_message(&clean_lines(&format!(
            "warning: {name} keeps what it has: its query cannot be read: {error}"
        )));
        changes.remove(name);
    }
    let mut progress = ScanProgress::new(store, global).await?;
    let (mut after, mut seen) = (0, 0);
    while let Some((items, matched)) = archive.step(store, after).await? {
        after = items.last().map_or(after, |last| last.row);
        seen += items.len() as u64;
        // What is not looked at again stays as it is.
        let looked: BTreeSet<i64> = matched.iter().map(|rematch_row| rematch_row.row).collect();
        for stored in items.iter().filter(|stored| !looked.contains(&stored.row)) {
            changes.values_mut().for_each(|change| change.keep(stored));
        }
        let by_row: BTreeMap<i64, &StoredItem> = items.iter().map(|stored| (stored.row, stored)).collect();
        for rematch_row in &matched {
            let Some(stored) = by_row.get(&rematch_row.row) else { continue };
            for found in &rematch_row.matches {
                changes.entry(found.topic.clone()).or_default().add(stored);
            }
        }
        progress.show(seen);
    }
    progress.clear();
    let columns = [column("topic"), column("stay"), column("come"), column("go")];
    let mut rows = rows(global.output, &columns, "topic");
    for (topic, change) in &changes {
        rows.row(change.shown(topic))?;
    }
    Ok(rows.finish("no topics; declare some with `qyran apply -f FILE`")?)
}
