//! Tests of the documents: commands parse, examples are valid, links and the map name existing files.

use std::path::Path;

use crate::support::{finished, qyran, text};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the paths of all documents.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let markdown = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}{name}")).collect()
    };
    let documents = [markdown(""), markdown("docs/"), vec!["k8s/README.md".to_owned()]].concat();
    assert!(documents.len() >= 12, "{documents:?}");
    documents
}

/// README.md and ARCHITECTURE.md have at most 12 KiB.
#[test]
fn the_entry_documents_are_short() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let bytes = read(document).len();
        assert!(bytes <= 12 * 1024, "{document} has {bytes} bytes");
    }
}

/// Links between documents name existing files.
#[test]
fn links_name_existing_files() {
    for document in documents() {
        let folder = Path::new(&document).parent().unwrap().to_path_buf();
        for link in read(&document).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder).join(link);
            assert!(path.exists(), "{document} links to {link}");
        }
    }
}

/// Returns the lines of fenced blocks, each with the language of its block.
fn fenced_lines(document: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut language: Option<String> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), &language) {
            (Some(_), Some(_)) => language = None,
            (Some(info), None) => language = Some(info.trim().to_owned()),
            (None, Some(language)) => lines.push((language.clone(), line.to_owned())),
            (None, None) => (),
        }
    }
    assert!(language.is_none(), "a fence is not closed");
    lines
}

/// Returns the arguments of each `qyran` command in the shell blocks of a document.
fn commands(document: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for (language, line) in fenced_lines(document) {
        if language != "sh" {
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default().replace("cargo run --release -- ", "qyran ");
        let line = line.split(['|', '>', '<', '&']).next().unwrap_or_default();
        let mut words = words(line).into_iter();
        if words.next().as_deref() == Some("qyran") {
            commands.push(words.collect());
        }
    }
    commands
}

/// Splits a shell line into words. Quoted spaces do not separate words.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(opening), _) if opening == c => quote = None,
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

#[tokio::test]
async fn every_command_of_the_documents_parses() {
    let mut count = 0;
    for document in documents() {
        for command in commands(&read(&document)) {
            // clap parses the arguments before `--help`, and then prints the help instead of running the command.
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            arguments.push("--help");
            let output = finished(qyran(&arguments)).await;
            assert!(
                output.status.success(),
                "{document}: qyran {}\n{}",
                command.join(" "),
                text(&output.stderr)
            );
            count += 1;
        }
    }
    assert!(count >= 12, "the documents have only {count} commands");
}

#[tokio::test]
async fn the_source_and_the_topic_of_the_readme_are_valid() {
    let yaml: Vec<String> = fenced_lines(&read("README.md"))
        .into_iter()
        .filter(|(language, _)| language == "yaml")
        .map(|(_, line)| line)
        .collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("first.yaml");
    std::fs::write(&file, yaml.join("\n")).unwrap();
    let output = finished(qyran(&["check", "-o", "json", "-f", file.to_str().unwrap()])).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (report["sources"].as_u64(), report["topics"].as_u64()),
        (Some(1), Some(1)),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_map_of_the_readme_is_complete_and_names_existing_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = read("README.md");
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_folder = root.join(&name).is_dir() && !name.starts_with('.') && name != "target";
        assert!(!is_folder || readme.contains(&format!("`{name}/`")), "the map of README.md lacks {name}/");
    }
    let (_, map) = readme.split_once("## The map").unwrap();
    for line in map.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap_or_default();
        assert!(root.join(name).exists(), "the map of README.md names {name}, which does not exist");
    }
}

/// The control of the tests above: only `qyran` commands of shell blocks are returned.
#[test]
fn commands_are_parsed_from_shell_blocks() {
    let parsed_commands = commands(
        "```sh\nqyran topic test 'a \"b c\"' x # why\n$ no\nqyran feed - < x\n```\n```yaml\nqyran: no\n```\n",
    );
    assert_eq!(parsed_commands, [vec!["topic", "test", "a \"b c\"", "x"], vec!["feed", "-"]]);
}
