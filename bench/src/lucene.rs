//! Lucene Monitor, the peer of `bench match`: the matcher of stored queries behind most media monitoring.
//!
//! It gets the same topics and documents as Qyran and must find the same matches. It gets the words and lemmas of each
//! position, so only its matching is measured. It runs in one thread. The CPU time of its garbage collection does not
//! count.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use matcher::{Analysis, TopicIndex};
use model::{Item, ItemContext, Timestamp};
use serde_json::{Value, json};

use crate::generator::Query;
use crate::laboratory::{news_source, spread};

/// The Java program that runs Lucene Monitor.
const PROGRAM: &str = include_str!("../LuceneMonitor.java");
/// Upper bound on the number of documents, since Lucene Monitor is slow.
const MAX_DOCUMENTS: usize = 200;

/// The measurement of Lucene Monitor.
pub(super) struct LuceneResult {
    documents: usize,
    /// The matches that only one of Lucene Monitor and Qyran found, as text.
    differences: Vec<String>,
    heap_bytes: Option<u64>,
    per_second: Vec<f64>,
}

impl LuceneResult {
    /// Returns true if Lucene Monitor and Qyran found different matches.
    pub(super) fn differs(&self) -> bool {
        !self.differences.is_empty()
    }

    pub(super) fn figures(&self) -> Value {
        json!({
            "documents": self.documents, "matched_otherwise": self.differences, "heap_bytes": self.heap_bytes,
            "documents_per_cpu_second": spread(self.per_second.clone()),
        })
    }

    /// Returns the ratio of the documents per CPU-second of Qyran to those of Lucene Monitor, by round.
    pub(super) fn ratio(&self, qyran: &[f64]) -> Value {
        spread(qyran.iter().zip(&self.per_second).map(|(qyran, lucene)| qyran / lucene).collect())
    }
}

/// Matches the first documents with Lucene Monitor, which `lucene.sh` compiled into a folder.
pub(super) fn measure(
    folder: &Path,
    index: &TopicIndex,
    documents: &[Item],
    queries: &[Query],
) -> anyhow::Result<LuceneResult> {
    if !folder.join("classes").is_dir() {
        return Err(anyhow::anyhow!(
            "--lucene: {} has no Lucene Monitor; run bench/lucene.sh",
            folder.display()
        ));
    }
    let documents = documents.get(..MAX_DOCUMENTS).unwrap_or(documents);
    let work = tempfile::tempdir()?;
    let analysis = index.analysis();
    let document_lines: String = documents.iter().map(|item| document_line(analysis, item) + "\n").collect();
    std::fs::write(work.path().join("documents.txt"), document_lines)?;
    let topic_line =
        |(number, query): (usize, &Query)| format!("t{number}\t{}\n", lucene_query(query, analysis));
    let topic_lines: String = (0..).zip(queries).map(topic_line).collect();
    std::fs::write(work.path().join("topics.txt"), topic_lines)?;
    let program = work.path().join("LuceneMonitor.java");
    std::fs::write(&program, PROGRAM)?;
    let classes = format!("{0}/classes:{0}/*", folder.display());
    let output = Command::new("java")
        .args(["-Xss64m", "-XX:+UseSerialGC", "-cp", &classes])
        .args([&program, work.path()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| anyhow::anyhow!("cannot start java: {error}"))?;
    if !output.status.success() {
        return Err(anyhow::anyhow!("Lucene Monitor ended early ({})", output.status));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let values = |name: &'static str| {
        stdout
            .lines()
            .filter_map(move |line| line.strip_prefix(name)?.strip_prefix('\t')?.parse::<f64>().ok())
    };
    let matches = std::fs::read_to_string(work.path().join("matches.txt"))?;
    let lucene_topics = matches.lines().map(|line| line.split_once('\t').map_or("", |(_, names)| names));
    let source = news_source()?;
    let differences_in = |(number, (item, lucene)): (usize, (&Item, &str))| -> Vec<String> {
        let document = analysis.item(item);
        let names = index.names(&document, item, &source, ItemContext::first_seen(Timestamp::UNIX_EPOCH));
        let qyran: BTreeSet<&str> = names.into_iter().map(model::Name::as_str).collect();
        let lucene = lucene.split_whitespace().collect();
        qyran.symmetric_difference(&lucene).map(|topic| format!("{topic} in document {number}")).collect()
    };
    Ok(LuceneResult {
        documents: documents.len(),
        differences: (0..).zip(documents.iter().zip(lucene_topics)).flat_map(differences_in).collect(),
        heap_bytes: values("heap").next().map(|bytes| bytes as u64),
        per_second: values("pass").map(|seconds| documents.len() as f64 / seconds).collect(),
    })
}

/// Returns a document as a line: tabs separate the positions, spaces the terms of one position.
fn document_line(analysis: &Analysis, item: &Item) -> String {
    let positions: Vec<String> = analysis.item(item).places().map(|terms| terms.join(" ")).collect();
    positions.join("\t")
}

/// Returns a query in the notation that the Java program reads.
fn lucene_query(query: &Query, analysis: &Analysis) -> String {
    let terms = |word: &str| {
        let (form, lemmas) = analysis.position_terms(word);
        std::iter::once(form).chain(lemmas).collect::<Vec<_>>().join(" ")
    };
    match query {
        Query::Word(word) => format!("( word {} )", terms(word)),
        Query::Phrase([one, other]) => format!("( phrase ( {} ) ( {} ) )", terms(one), terms(other)),
        Query::Prefix(letters) => format!("( prefix {} )", analysis.position_terms(letters).0),
        Query::Any(queries) => {
            let queries: Vec<String> = queries.iter().map(|query| lucene_query(query, analysis)).collect();
            format!("( or {} )", queries.join(" "))
        }
        Query::Both(one, other) => {
            format!("( and {} {} )", lucene_query(one, analysis), lucene_query(other, analysis))
        }
        Query::Without(one, other) => {
            format!("( without {} {} )", lucene_query(one, analysis), lucene_query(other, analysis))
        }
        Query::Near([one, other], words) => {
            format!("( near {words} ( {} ) ( {} ) )", terms(one), terms(other))
        }
        Query::InRussian(query) => lucene_query(query, analysis),
    }
}
