//! Lucene Monitor, a peer: the matcher of stored queries behind most media monitoring, given the same topics and documents.
//!
//! Both must find the same. Lucene is told the words and lemmas of each place, so that only matching is measured on its
//! side; it has one thread, whose CPU time counts, but not that of its garbage collection.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use matcher::{Analysis, TopicIndex};
use model::{Item, ItemContext, Timestamp};
use serde_json::{Value, json};

use crate::laboratory::{any_source, spread};
use crate::making::Asked;

/// What it does is beside this file.
const PROGRAM: &str = include_str!("../LuceneMonitor.java");
/// Documents that it is given: it is not quick.
const DOCUMENTS: usize = 200;

/// What came of it.
pub(super) struct Peer {
    documents: usize,
    /// Topics that it finds otherwise, with their documents.
    differences: Vec<String>,
    heap: Option<u64>,
    per_second: Vec<f64>,
}

impl Peer {
    pub(super) fn finds_otherwise(&self) -> bool {
        !self.differences.is_empty()
    }

    pub(super) fn figures(&self) -> Value {
        json!({
            "documents": self.documents, "matched_otherwise": self.differences, "heap_bytes": self.heap,
            "documents_per_cpu_second": spread(self.per_second.clone()),
        })
    }

    /// How many times as many documents we match in a CPU-second, round by round.
    pub(super) fn ratio(&self, ours: &[f64]) -> Value {
        spread(ours.iter().zip(&self.per_second).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// Matches the first of the documents; `folder` is where `lucene.sh` put it.
pub(super) fn measure(
    folder: &Path,
    index: &TopicIndex,
    documents: &[Item],
    asked: &[Asked],
) -> anyhow::Result<Peer> {
    if !folder.join("classes").is_dir() {
        return Err(anyhow::anyhow!("--lucene: {} has no Lucene Monitor", folder.display()));
    }
    let documents = documents.get(..DOCUMENTS).unwrap_or(documents);
    let given = tempfile::tempdir()?;
    let analysis = index.analysis();
    let lines: String = documents.iter().map(|item| places(analysis, item) + "\n").collect();
    std::fs::write(given.path().join("documents.txt"), lines)?;
    let lines: String =
        (0..).zip(asked).map(|(number, asked)| format!("t{number}\t{}\n", query(asked, analysis))).collect();
    std::fs::write(given.path().join("topics.txt"), lines)?;
    let program = given.path().join("LuceneMonitor.java");
    std::fs::write(&program, PROGRAM)?;
    let classes = format!("{0}/classes:{0}/*", folder.display());
    let output = Command::new("java")
        .args(["-Xss64m", "-XX:+UseSerialGC", "-cp", &classes])
        .args([&program, given.path()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| anyhow::anyhow!("java: {error}"))?;
    if !output.status.success() {
        return Err(anyhow::anyhow!("Lucene Monitor ended early ({})", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let values = |name: &'static str| {
        said.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('\t')?.parse::<f64>().ok())
    };
    let found = std::fs::read_to_string(given.path().join("matches.txt"))?;
    let found = found.lines().map(|line| line.split_once('\t').map_or("", |(_, names)| names));
    let source = any_source()?;
    let differing = |(number, (item, theirs)): (usize, (&Item, &str))| -> Vec<String> {
        let document = analysis.item(item);
        let ours = index.names(&document, item, &source, ItemContext::first_seen(Timestamp::UNIX_EPOCH));
        let ours: BTreeSet<&str> = ours.into_iter().map(model::Name::as_str).collect();
        let theirs = theirs.split_whitespace().collect();
        ours.symmetric_difference(&theirs).map(|topic| format!("{topic} in document {number}")).collect()
    };
    Ok(Peer {
        documents: documents.len(),
        differences: (0..).zip(documents.iter().zip(found)).flat_map(differing).collect(),
        heap: values("heap").next().map(|bytes| bytes as u64),
        per_second: values("pass").map(|seconds| documents.len() as f64 / seconds).collect(),
    })
}

/// A document: places behind tabs, the terms of each behind spaces.
fn places(analysis: &Analysis, item: &Item) -> String {
    let places: Vec<String> = analysis.item(item).places().map(|terms| terms.join(" ")).collect();
    places.join("\t")
}

fn query(asked: &Asked, analysis: &Analysis) -> String {
    let terms = |word: &str| {
        let (form, lemmas) = analysis.position_terms(word);
        std::iter::once(form).chain(lemmas).collect::<Vec<_>>().join(" ")
    };
    match asked {
        Asked::Word(word) => format!("( word {} )", terms(word)),
        Asked::Phrase([one, other]) => format!("( phrase ( {} ) ( {} ) )", terms(one), terms(other)),
        Asked::Beginning(letters) => {
            format!("( prefix {} )", analysis.position_terms(letters).0)
        }
        Asked::Any(all) => {
            let all: Vec<String> = all.iter().map(|one| query(one, analysis)).collect();
            format!("( or {} )", all.join(" "))
        }
        Asked::Both(one, other) => format!("( and {} {} )", query(one, analysis), query(other, analysis)),
        Asked::Without(one, other) => {
            format!("( without {} {} )", query(one, analysis), query(other, analysis))
        }
        Asked::Near([one, other], words) => {
            format!("( near {words} ( {} ) ( {} ) )", terms(one), terms(other))
        }
        Asked::InRussian(asked) => query(asked, analysis),
    }
}
