//! The entries of a document: known ones, ones to store directly, and ones that need their article page.

use std::collections::BTreeSet;

use crawler::extract::needs_no_page;
use crawler::read;
use model::{Entry, Finding, Harvest, Host, JobId, PageWork, Planned};
use scheduler::due::PollEvidence;
use store::EntryStatus;
use url::Url;

use crate::job::gather::ClassifiedEntry;
use crate::job::job_run::{JobRun, finding_of_entry};

/// Sorts entries into known entries, entries to store directly, and entries that need their article page.
pub(crate) async fn sort_entries(
    run: &JobRun,
    entries: Vec<ClassifiedEntry>,
    harvest: &mut Harvest,
    on_time: bool,
) -> PollEvidence {
    let shared = shared_addresses(entries.iter().map(|classified| &classified.entry));
    let mut evidence =
        PollEvidence { known_entries: 0, new_entries: 0, is_on_time: on_time, actual_wait: None };
    let mut direct: Vec<DirectEntry> = Vec::new();
    for ClassifiedEntry { entry, reference, status } in entries {
        if entry.is_deleted {
            // An entry that was never stored needs no deletion.
            harvest.deletions.extend(Some(reference.key).filter(|_| status == EntryStatus::Changed));
            continue;
        }
        let is_known = status == EntryStatus::Changed;
        match status {
            EntryStatus::Same => {
                evidence.known_entries += 1;
                continue;
            }
            EntryStatus::Changed => evidence.known_entries += 1,
            EntryStatus::New => evidence.new_entries += 1,
        }
        match article_page_of(run, &entry, &shared) {
            Ok(Some((url, host))) => {
                harvest.pages.push(PageWork {
                    key: reference.key,
                    host,
                    url,
                    entry,
                    entry_hash: reference.hash,
                    tries: 0,
                    not_before: harvest.at,
                });
            }
            Ok(None) => direct.push(DirectEntry { entry, note: None, is_known }),
            Err(note) => direct.push(DirectEntry { entry, note: Some(note), is_known }),
        }
    }
    harvest.findings = make_findings(run, direct).await;
    evidence
}

/// An entry that is stored without its article page.
struct DirectEntry {
    entry: Entry,
    /// The reason for not requesting an article page that would be needed.
    note: Option<String>,
    /// True if an earlier version is stored.
    is_known: bool,
}

/// Returns the addresses that several entries of one document share. None of them is an article page.
fn shared_addresses<'e>(entries: impl Iterator<Item = &'e Entry>) -> BTreeSet<Url> {
    let mut unique = BTreeSet::new();
    let pages = entries.filter_map(|entry| entry.url.as_ref()).map(without_fragment);
    pages.filter(|page| !unique.insert(page.clone())).collect()
}

fn without_fragment(url: &Url) -> Url {
    let mut page = url.clone();
    page.set_fragment(None);
    page
}

/// Returns the article page of an entry with its host, or `None` if the entry needs no page. Fails with a note for
/// the item if the page must not be requested.
fn article_page_of(
    run: &JobRun,
    entry: &Entry,
    shared: &BTreeSet<Url>,
) -> Result<Option<(Url, Host)>, String> {
    let Some(url) = &entry.url else { return Ok(None) };
    run.context.door.check_address(url).map_err(|error| format!("article page not requested: {error}"))?;
    if needs_no_page(entry, &run.source) || read::is_stream(run.source.kind) {
        return Ok(None);
    }
    let url = without_fragment(url);
    if shared.contains(&url) {
        return Err("article page not requested: several entries link to it".to_owned());
    }
    match run.snapshot.host_of(&url) {
        Some(host) => Ok(Some((url, host))),
        None => Err("article page not requested: its address has no host".to_owned()),
    }
}

/// Matches entries on the CPU pool. A stream carries the posts of all users, so only its matching and its already
/// stored entries are kept.
async fn make_findings(run: &JobRun, entries: Vec<DirectEntry>) -> Vec<Finding> {
    if entries.is_empty() {
        return Vec::new();
    }
    let (source, topics, now) = (run.source.clone(), run.snapshot.topics().clone(), run.now());
    let is_stream = read::is_stream(source.kind);
    let findings = move || {
        let finding = |DirectEntry { entry, note, is_known }: &DirectEntry| {
            let finding = finding_of_entry(&source, entry, note.as_deref(), &topics, now);
            (!is_stream || *is_known || !finding.matches.is_empty()).then_some(finding)
        };
        entries.iter().filter_map(finding).collect()
    };
    run.context.pool.run(findings).await
}

/// Returns one pages job per host of the new article pages.
pub(crate) fn page_jobs(run: &JobRun, harvest: &Harvest) -> Vec<Planned> {
    let hosts: BTreeSet<&Host> = harvest.pages.iter().map(|page| &page.host).collect();
    // A single pass takes jobs due by its start: the new jobs must be due by then to belong to it.
    let due = run.due_now();
    let job = |host: &Host| JobId::pages(run.source.name.clone(), host.clone());
    hosts.into_iter().map(|host| run.planned(job(host), due)).collect()
}
