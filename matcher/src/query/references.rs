//! References of queries: lists of values (`site:@media`) and other topics (`topic:kaspi`).
//!
//! A query is stored as written. Before it is evaluated, its references are resolved: the values of lists and the
//! queries of topics are inserted into its tree.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{List, Name, Topic};

use super::cost;
use super::error::QueryError;
use super::field::{Condition, Field, host, is_pattern};
use super::parser;
use super::tree::{Expr, combine};
use crate::text::fold::{fold, plain};
use crate::text::words::words;

/// Upper bound on the depth of topics that reference topics.
const MAX_TOPIC_DEPTH: usize = 16;
/// Upper bound on the topics inserted into a query. Each reference counts, also to the same topic.
const MAX_TOPIC_REFERENCES: usize = 100;
/// Upper bound on the levels of a resolved tree. A single query has at most half as many.
const MAX_RESOLVED_DEPTH: usize = 256;

const INLINE_REMEDY: &str = "write the words instead of the reference";

/// A reference of a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueryReference {
    /// A list.
    List(String),
    /// Another topic.
    Topic(String),
}

/// The values of a list, indexed so that only a few of many thousands are compared with a field.
// `Eq` lets equal `Arc`s compare by pointer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ListValues {
    pub(super) all: Vec<String>,
    /// The hosts of the values without wildcards.
    pub(super) hosts: HashSet<String>,
    /// Indices of the values without wildcards, by their first word in plain letters.
    by_first_word: HashMap<String, Vec<u32>>,
    pub(super) patterns: Vec<String>,
}

impl ListValues {
    fn new(all: Vec<String>) -> Self {
        let mut values = Self::default();
        for (index, value) in (0..).zip(&all) {
            if is_pattern(value) {
                values.patterns.push(value.clone());
                continue;
            }
            values.hosts.insert(host(value));
            if let Some(word) = plain_words(value).next() {
                values.by_first_word.entry(word).or_default().push(index);
            }
        }
        Self { all, ..values }
    }

    /// Returns the upper bound on values that are compared with one word, beyond the first.
    pub(super) fn max_comparisons(&self) -> usize {
        let longest = self.by_first_word.values().map(Vec::len).max().unwrap_or_default();
        self.patterns.len() + longest.saturating_sub(1)
    }

    /// Returns the values without wildcards whose first word occurs in the text.
    pub(super) fn candidates(&self, text: &str) -> impl Iterator<Item = &String> {
        let indices = plain_words(text).filter_map(|word| self.by_first_word.get(&word)).flatten();
        indices.filter_map(|index| self.all.get(*index as usize))
    }
}

/// Returns the words of a name or code, in plain letters.
fn plain_words(text: &str) -> impl Iterator<Item = String> {
    words(text).map(|cut| plain(fold(&cut.text).trim_start_matches('@')))
}

/// All lists, by name.
#[derive(Debug, Clone, Default)]
pub struct Lists(Arc<BTreeMap<String, Arc<ListValues>>>);

impl Lists {
    /// Creates a set of lists.
    pub fn new(lists: Vec<List>) -> Self {
        let entry = |list: List| (list.name.to_string(), Arc::new(ListValues::new(list.values)));
        Self(Arc::new(lists.into_iter().map(entry).collect()))
    }

    /// Returns the set with these lists replaced, or removed where the new list is `None`.
    pub(crate) fn with(&self, changes: Vec<(Name, Option<List>)>) -> Self {
        let mut lists = BTreeMap::clone(&self.0);
        for (name, list) in changes {
            match list {
                Some(list) => drop(lists.insert(name.to_string(), Arc::new(ListValues::new(list.values)))),
                None => drop(lists.remove(name.as_str())),
            }
        }
        Self(Arc::new(lists))
    }

    /// Returns the names of lists that differ between two sets, or exist in only one.
    pub(crate) fn changed_names<'l>(&'l self, other: &'l Self) -> impl Iterator<Item = &'l str> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str)
    }
}

/// The lists and topics that queries may reference.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    pub(crate) lists: Lists,
    pub(crate) queries: HashMap<String, String>,
}

impl Definitions {
    /// Creates definitions of these lists and topics.
    pub fn new<'t>(lists: Vec<List>, topics: impl IntoIterator<Item = &'t Topic>) -> Self {
        let queries = topics.into_iter().map(|topic| (topic.name.to_string(), topic.query.clone())).collect();
        Self { lists: Lists::new(lists), queries }
    }

    /// Parses a query and resolves its references.
    pub fn query(&self, text: &str) -> Result<super::Query, QueryError> {
        let query_of = |name: &str| self.queries.get(name).cloned();
        super::Query::parse(text)?.resolve_references(text, &self.lists, &query_of)
    }

    /// Parses the rule of a tag and resolves its references.
    pub fn rule(&self, text: &str) -> Result<super::Query, QueryError> {
        let query_of = |name: &str| self.queries.get(name).cloned();
        super::Query::parse_rule(text)?.resolve_references(text, &self.lists, &query_of)
    }
}

/// Returns the references of a query, without duplicates.
pub(super) fn references(expr: &Expr) -> BTreeSet<QueryReference> {
    let mut references = BTreeSet::new();
    collect(expr, &mut references);
    references
}

fn collect(expr: &Expr, references: &mut BTreeSet<QueryReference>) {
    if let Expr::Field(field) = expr {
        references.extend(reference_of(field));
    }
    expr.children().into_iter().for_each(|child| collect(child, references));
}

/// Returns the list or topic that a field references, if any.
pub(super) fn reference_of(field: &Field) -> Option<QueryReference> {
    match &field.condition {
        Condition::InList { name, .. } => Some(QueryReference::List(name.clone())),
        Condition::Equals(name) if field.name() == "topic" => Some(QueryReference::Topic(name.clone())),
        _ => None,
    }
}

/// Resolves the references of a query. `text` is its source, for the positions of errors.
pub(super) fn resolve(
    expr: Expr,
    text: &str,
    lists: &Lists,
    query_of: &dyn Fn(&str) -> Option<String>,
) -> Result<Expr, QueryError> {
    let mut resolver = Resolver { text, lists, query_of, topics: Vec::new(), references: 0, depth: 0 };
    let expr = resolver.expr(expr)?;
    cost::check(&expr, text.chars().count()).map_err(|error| {
        let message = format!("with its lists and topics inserted, {}", error.message);
        QueryError { message, ..error }
    })?;
    Ok(expr)
}

struct Resolver<'a> {
    text: &'a str,
    lists: &'a Lists,
    query_of: &'a dyn Fn(&str) -> Option<String>,
    /// The chain of topics whose queries enclose the current expression.
    topics: Vec<String>,
    references: usize,
    depth: usize,
}

impl Resolver<'_> {
    fn expr(&mut self, expr: Expr) -> Result<Expr, QueryError> {
        if self.depth >= MAX_RESOLVED_DEPTH {
            let name = self.topics.first().cloned().unwrap_or_default();
            let message = format!("the referenced topics are nested deeper than {MAX_RESOLVED_DEPTH} levels");
            return Err(self.error("E_LIMIT", &name, message, INLINE_REMEDY.to_owned()));
        }
        self.depth += 1;
        let expr = self.resolve_node(expr);
        self.depth -= 1;
        expr
    }

    fn resolve_node(&mut self, expr: Expr) -> Result<Expr, QueryError> {
        Ok(match expr {
            Expr::And(parts) => combine(self.all(parts)?, Expr::And),
            Expr::Or(parts) => combine(self.all(parts)?, Expr::Or),
            Expr::Not(inner) => Expr::Not(Box::new(self.expr(*inner)?)),
            Expr::In(scope, inner) => Expr::In(scope, Box::new(self.expr(*inner)?)),
            Expr::Preferred(weight, inner) => Expr::Preferred(weight, Box::new(self.expr(*inner)?)),
            Expr::Field(field) => match reference_of(&field) {
                Some(QueryReference::List(name)) => Expr::Field(self.list(field, name)?),
                Some(QueryReference::Topic(name)) => self.topic(name)?,
                None => Expr::Field(field),
            },
            // Expressions with positions contain no fields.
            other => other,
        })
    }

    fn all(&mut self, parts: Vec<Expr>) -> Result<Vec<Expr>, QueryError> {
        parts.into_iter().map(|part| self.expr(part)).collect()
    }

    /// Inserts the values of a list into a field.
    fn list(&self, field: Field, name: String) -> Result<Field, QueryError> {
        let Some(values) = self.lists.0.get(&name) else {
            let remedy = list_remedy(&name, self.lists.0.keys());
            return Err(self.error("E_LIST", &name, format!("no list {name:?} is declared"), remedy));
        };
        // A value that is invalid after the colon is invalid in a list as well.
        let error_of = |value: &String| {
            Field { condition: Condition::Equals(value.clone()), spec: field.spec }.validation_error()
        };
        if let Some(error) = values.all.iter().find_map(error_of) {
            let message = format!("list {name:?} has an invalid value for {}: {error}", field.name());
            let remedy = "edit the list, or use another field".to_owned();
            return Err(self.error("E_LIST", &name, message, remedy));
        }
        Ok(Field { condition: Condition::InList { name, values: values.clone() }, ..field })
    }

    /// Parses and resolves the query of a topic.
    fn topic(&mut self, name: String) -> Result<Expr, QueryError> {
        if self.topics.contains(&name) {
            let between: Vec<&str> =
                self.topics.iter().map(String::as_str).filter(|topic| *topic != name).collect();
            let path =
                if between.is_empty() { String::new() } else { format!(" through {}", between.join(", ")) };
            let message = format!("topic {name:?} references itself{path}");
            return Err(self.error("E_CYCLE", &name, message, INLINE_REMEDY.to_owned()));
        }
        self.references += 1;
        if self.topics.len() >= MAX_TOPIC_DEPTH || self.references > MAX_TOPIC_REFERENCES {
            let message = format!(
                "topics are referenced more than {MAX_TOPIC_DEPTH} levels deep, or more than \
                 {MAX_TOPIC_REFERENCES} times"
            );
            return Err(self.error("E_LIMIT", &name, message, INLINE_REMEDY.to_owned()));
        }
        let Some(query) = (self.query_of)(&name) else {
            let lowercase = name.to_lowercase();
            let remedy = match (self.query_of)(&lowercase) {
                Some(_) => format!("did you mean {lowercase:?}?"),
                None => "qyran topic list shows the declared topics".to_owned(),
            };
            return Err(self.error("E_TOPIC", &name, format!("no topic {name:?} is declared"), remedy));
        };
        let (expr, _) = parser::parse(&query).map_err(|error| {
            let message = format!("cannot parse the query of topic {name:?}: {}", error.message);
            self.error("E_TOPIC", &name, message, error.remedy)
        })?;
        self.topics.push(name);
        let expr = self.expr(expr);
        self.topics.pop();
        expr
    }

    /// Creates an error at the position of the reference in the source text.
    ///
    /// The tree has no positions, so the text is searched for the name as the user wrote it: that of the outermost
    /// topic, if there is one.
    fn error(&self, code: &'static str, name: &str, message: String, remedy: String) -> QueryError {
        let reference = self.topics.first().map_or(name, String::as_str);
        let prefixes: &[&str] =
            if code == "E_LIST" && self.topics.is_empty() { &[":@", "@"] } else { &["topic:"] };
        let offset = prefixes.iter().find_map(|prefix| find_reference(self.text, prefix, reference));
        let (preceding, length) = match offset {
            Some(offset) => (self.text.get(..offset).unwrap_or(""), reference.chars().count()),
            None => ("", self.text.chars().count()),
        };
        let message = match self.topics.last() {
            Some(topic) if code != "E_CYCLE" => format!("in topic {topic:?}: {message}"),
            _ => message,
        };
        QueryError::new(code, preceding.chars().count(), length, message, remedy)
    }
}

/// Returns the byte offset of the first whole occurrence of a name after a prefix. The case of the prefix is ignored.
fn find_reference(text: &str, prefix: &str, name: &str) -> Option<usize> {
    let lowercase = text.to_ascii_lowercase();
    let mut offsets = lowercase.match_indices(prefix).map(|(offset, prefix)| offset + prefix.len());
    offsets.find(|offset| {
        let rest = text.get(*offset..).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c)))
    })
}

/// Suggests the most similar list, or a declaration.
fn list_remedy<'n>(name: &str, lists: impl Iterator<Item = &'n String>) -> String {
    let distance = |list: &&String| strsim::osa_distance(list, name);
    match lists.min_by_key(distance).filter(|nearest| distance(nearest) <= name.chars().count() / 3) {
        Some(nearest) => format!("did you mean @{nearest}?"),
        None => "declare it: kind: List, metadata: {name: …}, spec: {values: […]}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use model::Name;

    use super::*;
    use crate::{Analysis, Facts};

    fn definitions() -> Definitions {
        let list = |name: &str, values: &[&str]| List {
            name: Name::new(name).unwrap(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let topic = |(name, query): &(&str, &str)| Topic::new(Name::new(name).unwrap(), *query);
        let topics: Vec<Topic> = [
            ("bank", "банк NOT реклама"),
            ("rate", "topic:bank AND ставка"),
            ("one", "да topic:two"),
            ("two", "topic:one OR topic:three"),
            ("three", "topic:bank OR title:биржа"),
            ("odd", "банк AND ("),
        ]
        .iter()
        .map(topic)
        .collect();
        Definitions::new(
            vec![
                list("media", &["nur.kz", "*.zakon.kz"]),
                list("bots", &["Иван Петров"]),
                list("tags", &["хлеб"]),
                list("places", &["kz", "Кызылорда"]),
            ],
            &topics,
        )
    }

    fn check(query: &str, text: &str, facts: &[(&str, &str)], expected: bool) {
        let mut item_facts = Facts::default();
        facts.iter().for_each(|(field, value)| item_facts.add(field, *value));
        let document = Analysis::default().document("", text, Some("ru"));
        let is_match = definitions().query(query).unwrap().matches(&document, &item_facts).is_some();
        assert_eq!(is_match, expected, "{query} in {text} {facts:?}");
    }

    #[test]
    fn a_list_matches_any_of_its_values() {
        let site = |host: &'static str| [("site", host)];
        check("банк site:@media", "банк", &site("https://nur.kz/1"), true);
        check("банк site:@media", "банк", &site("https://news.nur.kz/1"), true);
        check("банк site:@media", "банк", &site("https://notnur.kz/1"), false);
        check("банк site:@media", "банк", &site("https://forum.zakon.kz/1"), true);
        check("банк site:@media", "банк", &site("https://zakon.kz/1"), false);
        check("банк -site:@media", "банк", &site("https://tengrinews.kz/1"), true);
        check("банк author:@bots", "банк", &[("author", "Иван Петров")], true);
        check("банк author:@bots", "банк", &[("author", "Редакция, Иван Петров")], true);
        check("банк author:@bots", "банк", &[("author", "Иван Сидоров")], false);
        check("банк hashtags:@tags", "банк", &[("hashtags", "#хлеб")], true);
        check("банк hashtags:@tags", "банк", &[("hashtags", "#хлебзавод")], false);
        check("банк country:@places", "банк", &[("country", "KZ")], true);
        check("банк country:@places", "банк", &[("country", "ru")], false);
        check("банк city:@places", "банк", &[("city", "Қызылорда")], true);
    }

    #[test]
    fn a_topic_reference_matches_as_the_query_of_the_topic() {
        check("topic:bank", "банки растут", &[], true);
        check("topic:bank", "реклама банка", &[], false);
        check("topic:rate", "ставка банка", &[], true);
        check("topic:rate", "ставка банка, реклама", &[], false);
        check("кредит NOT topic:bank", "кредит", &[], true);
        check("кредит NOT topic:bank", "кредит в банке", &[], false);
        check("topic:three", "банк", &[], true);
    }

    #[test]
    fn missing_and_cyclic_references_are_rejected_with_positions() {
        for (query, code, position) in [
            ("medio site:@medio", "E_LIST", 12),
            ("topic:bank Topic:ban", "E_TOPIC", 17),
            ("банк topic:nobody", "E_TOPIC", 11),
            ("банк topic:odd", "E_TOPIC", 11),
            ("topic:one", "E_CYCLE", 6),
            ("да likes:@bots", "E_LIST", 10),
            ("да age:@bots", "E_LIST", 8),
            ("да topic:@bots", "E_VALUE", 9),
            ("да site:@bots", "E_LIST", 9),
        ] {
            let error = definitions().query(query).unwrap_err();
            assert_eq!((error.code, error.position), (code, position), "{query}: {error}");
        }
        assert!(definitions().query("банк site:@medio").unwrap_err().remedy.contains("@media"));
    }

    #[test]
    fn cost_counts_only_list_values_that_are_compared() {
        let list = |name: &str, value: &dyn Fn(usize) -> String| List {
            name: Name::new(name).unwrap(),
            values: (0..List::MAX_VALUES).map(value).collect(),
        };
        let people = list("people", &|number| format!("Имя{number} Фамилия"));
        let hosts = list("hosts", &|number| format!("*a{number}.kz"));
        let namesakes = list("namesakes", &|number| format!("Иван {number}"));
        let definitions = Definitions::new(vec![people, hosts, namesakes], &[]);
        assert_eq!(definitions.query("банк author:@people").unwrap().cost(), 2);
        for query in ["банк site:@hosts", "банк author:@namesakes"] {
            let error = definitions.query(query).unwrap_err();
            assert_eq!(error.code, "E_COST", "{query}: {error}");
        }
    }

    #[test]
    fn nested_topics_are_limited_in_number_and_depth() {
        let topic = |number: usize| {
            let query = format!("(topic:t{0} OR topic:t{0}) AND слово{number}", number + 1);
            Topic::new(Name::new(&format!("t{number}")).unwrap(), query)
        };
        let mut topics: Vec<Topic> = (0..15).map(topic).collect();
        topics.push(Topic::new(Name::new("t15").unwrap(), "слово"));
        let error = Definitions::new(Vec::new(), &topics).query("topic:t0").unwrap_err();
        assert_eq!(error.code, "E_LIMIT");
        // The parentheses of each topic are within bounds, but not all of them together.
        let nested = |number: usize| {
            let (open, close) = ("(а OR (б AND ".repeat(30), "))".repeat(30));
            Topic::new(
                Name::new(&format!("n{number}")).unwrap(),
                format!("{open}topic:n{}{close}", number + 1),
            )
        };
        let mut topics: Vec<Topic> = (0..8).map(nested).collect();
        topics.push(Topic::new(Name::new("n8").unwrap(), "слово"));
        let definitions = Definitions::new(Vec::new(), &topics);
        assert_eq!(definitions.query("topic:n0").unwrap_err().code, "E_LIMIT");
        assert!(definitions.query("topic:n6").is_ok());
    }
}
