//! What queries name: lists of values (`site:@media`) and other topics (`topic:kaspi`).
//!
//! A query is kept as it is written. Before it is held against anything, the values of the lists that it names are put
//! into it, and the queries of the topics.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{List, Topic};

use super::cost;
use super::error::QueryError;
use super::field::{Field, Test, host, is_pattern};
use super::parser;
use super::tree::{Expr, joined};
use crate::text::fold::{fold, plain};
use crate::text::words::words;

/// Topics that name topics that name topics, so deep.
const DEEPEST: usize = 16;
/// Topics within one query, however often one is named.
const MOST: usize = 100;
/// Levels of a tree with all that is put into it; a query alone has half as many at most.
const MOST_LEVELS: usize = 256;

/// What a query names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// A list.
    List(String),
    /// Another topic.
    Topic(String),
}

/// The values of a list, as a field is held against them: of many thousands few are looked at.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Values {
    pub(super) all: Vec<String>,
    /// Those without wildcards as hosts.
    pub(super) hosts: HashSet<String>,
    /// The same by their first words, in plain letters.
    by_word: HashMap<String, Vec<u32>>,
    pub(super) patterns: Vec<String>,
}

impl Values {
    fn new(all: Vec<String>) -> Self {
        let mut values = Self::default();
        for (number, value) in (0..).zip(&all) {
            if is_pattern(value) {
                values.patterns.push(value.clone());
                continue;
            }
            values.hosts.insert(host(value));
            if let Some(word) = keys(value).next() {
                values.by_word.entry(word).or_default().push(number);
            }
        }
        Self { all, ..values }
    }

    /// Values that may be held against one word, at most, beyond the first.
    pub(super) fn most_tried(&self) -> usize {
        let like = self.by_word.values().map(Vec::len).max().unwrap_or_default();
        self.patterns.len() + like.saturating_sub(1)
    }

    /// Those without wildcards that begin with a word of a text.
    pub(super) fn beginning_in(&self, text: &str) -> impl Iterator<Item = &String> {
        let numbers = keys(text).filter_map(|word| self.by_word.get(&word)).flatten();
        numbers.filter_map(|number| self.all.get(*number as usize))
    }
}

/// The words of a name or code, in plain letters.
fn keys(text: &str) -> impl Iterator<Item = String> {
    words(text).map(|cut| plain(fold(&cut.text).trim_start_matches('@')))
}

/// All lists, by name.
#[derive(Debug, Clone, Default)]
pub struct Lists(Arc<BTreeMap<String, Arc<Values>>>);

impl Lists {
    /// These lists.
    pub fn new(lists: Vec<List>) -> Self {
        let values = |list: List| (list.name.to_string(), Arc::new(Values::new(list.values)));
        Self(Arc::new(lists.into_iter().map(values).collect()))
    }

    /// The names of those that are not the same in another set, or in one of both only.
    pub(crate) fn differing<'l>(&'l self, other: &'l Self) -> impl Iterator<Item = &'l str> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str)
    }
}

/// What queries may name.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    pub(crate) lists: Lists,
    pub(crate) queries: HashMap<String, String>,
}

impl Definitions {
    /// These lists and topics.
    pub fn new<'t>(lists: Vec<List>, topics: impl IntoIterator<Item = &'t Topic>) -> Self {
        let queries = topics.into_iter().map(|topic| (topic.name.to_string(), topic.query.clone())).collect();
        Self { lists: Lists::new(lists), queries }
    }

    /// Parses a query, with all that it names put into it.
    pub fn query(&self, text: &str) -> Result<super::Query, QueryError> {
        let query_of = |name: &str| self.queries.get(name).cloned();
        super::Query::parse(text)?.with_named(text, &self.lists, &query_of)
    }

    /// The same of a rule for a tag.
    pub fn rule(&self, text: &str) -> Result<super::Query, QueryError> {
        let query_of = |name: &str| self.queries.get(name).cloned();
        super::Query::parse_rule(text)?.with_named(text, &self.lists, &query_of)
    }
}

/// What a query names, each once.
pub(super) fn names(expr: &Expr) -> BTreeSet<Named> {
    let mut names = BTreeSet::new();
    collect(expr, &mut names);
    names
}

fn collect(expr: &Expr, names: &mut BTreeSet<Named>) {
    if let Expr::Field(field) = expr {
        names.extend(named(field));
    }
    expr.parts().into_iter().for_each(|part| collect(part, names));
}

pub(super) fn named(field: &Field) -> Option<Named> {
    match &field.test {
        Test::Listed { name, .. } => Some(Named::List(name.clone())),
        Test::Is(name) if field.name() == "topic" => Some(Named::Topic(name.clone())),
        _ => None,
    }
}

/// A query's tree with all that it names put into it. `text` is what it was read from, for messages.
pub(super) fn put_in(
    expr: Expr,
    text: &str,
    lists: &Lists,
    query_of: &dyn Fn(&str) -> Option<String>,
) -> Result<Expr, QueryError> {
    let mut putting = Putting { text, lists, query_of, within: Vec::new(), count: 0, level: 0 };
    let expr = putting.expr(expr)?;
    cost::check(&expr, text.chars().count()).map_err(|error| {
        let message = format!("with the lists and topics that it names, {}", error.message);
        QueryError { message, ..error }
    })?;
    Ok(expr)
}

struct Putting<'a> {
    text: &'a str,
    lists: &'a Lists,
    query_of: &'a dyn Fn(&str) -> Option<String>,
    /// The topics that lead to the one at hand.
    within: Vec<String>,
    count: usize,
    level: usize,
}

impl Putting<'_> {
    fn expr(&mut self, expr: Expr) -> Result<Expr, QueryError> {
        if self.level >= MOST_LEVELS {
            let name = self.within.first().cloned().unwrap_or_default();
            let message = format!("the topics that are named nest brackets more than {MOST_LEVELS} deep");
            return Err(self.error("E_LIMIT", &name, message, "write out what is meant".to_owned()));
        }
        self.level += 1;
        let expr = self.put_into(expr);
        self.level -= 1;
        expr
    }

    fn put_into(&mut self, expr: Expr) -> Result<Expr, QueryError> {
        Ok(match expr {
            Expr::And(parts) => joined(self.all(parts)?, Expr::And),
            Expr::Or(parts) => joined(self.all(parts)?, Expr::Or),
            Expr::Not(of) => Expr::Not(Box::new(self.expr(*of)?)),
            Expr::In(scope, of) => Expr::In(scope, Box::new(self.expr(*of)?)),
            Expr::Preferred(weight, of) => Expr::Preferred(weight, Box::new(self.expr(*of)?)),
            Expr::Field(field) => match named(&field) {
                Some(Named::List(name)) => Expr::Field(self.list(field, name)?),
                Some(Named::Topic(name)) => self.topic(name)?,
                None => Expr::Field(field),
            },
            // What stands at places holds no fields.
            places => places,
        })
    }

    fn all(&mut self, parts: Vec<Expr>) -> Result<Vec<Expr>, QueryError> {
        parts.into_iter().map(|part| self.expr(part)).collect()
    }

    fn list(&self, field: Field, name: String) -> Result<Field, QueryError> {
        let Some(values) = self.lists.0.get(&name) else {
            let known = nearest(&name, self.lists.0.keys());
            return Err(self.error("E_LIST", &name, format!("no list {name:?} is declared"), known));
        };
        // What would be refused behind the colon finds nothing from a list either.
        let one = |value: &String| Field { test: Test::Is(value.clone()), spec: field.spec }.objection();
        if let Some(objection) = values.all.iter().find_map(one) {
            let message = format!("list {name:?} cannot stand behind {}: – {objection}", field.name());
            return Err(self.error(
                "E_LIST",
                &name,
                message,
                "edit the list, or take another field".to_owned(),
            ));
        }
        Ok(Field { test: Test::Listed { name, values: values.clone() }, ..field })
    }

    fn topic(&mut self, name: String) -> Result<Expr, QueryError> {
        if self.within.contains(&name) {
            let between: Vec<&str> =
                self.within.iter().map(String::as_str).filter(|one| *one != name).collect();
            let way = if between.is_empty() {
                String::new()
            } else {
                format!(", by way of {}", between.join(", "))
            };
            let message = format!("topic {name:?} names itself{way}");
            return Err(self.error("E_CYCLE", &name, message, "write out what is meant".to_owned()));
        }
        self.count += 1;
        if self.within.len() >= DEEPEST || self.count > MOST {
            let message = format!("topics are named more than {DEEPEST} deep, or more than {MOST} times");
            return Err(self.error("E_LIMIT", &name, message, "write out what is meant".to_owned()));
        }
        let Some(query) = (self.query_of)(&name) else {
            let small = name.to_lowercase();
            let remedy = match (self.query_of)(&small) {
                Some(_) => format!("did you mean {small:?}?"),
                None => "qyran topic list shows what is declared".to_owned(),
            };
            return Err(self.error("E_TOPIC", &name, format!("no topic {name:?} is declared"), remedy));
        };
        let (expr, _) = parser::parse(&query).map_err(|error| {
            let message = format!("the query of topic {name:?} cannot be read: {}", error.message);
            self.error("E_TOPIC", &name, message, error.remedy)
        })?;
        self.within.push(name);
        let expr = self.expr(expr);
        self.within.pop();
        expr
    }

    /// The tree does not know where its parts stand; the name that the user wrote does.
    fn error(&self, code: &'static str, name: &str, message: String, remedy: String) -> QueryError {
        let written = self.within.first().map_or(name, String::as_str);
        let signs: &[&str] =
            if code == "E_LIST" && self.within.is_empty() { &[":@", "@"] } else { &["topic:"] };
        let at = signs.iter().find_map(|sign| behind(self.text, sign, written));
        let (before, length) = match at {
            Some(at) => (self.text.get(..at).unwrap_or(""), written.chars().count()),
            None => ("", self.text.chars().count()),
        };
        let message = match self.within.last() {
            Some(within) if code != "E_CYCLE" => format!("in topic {within:?}: {message}"),
            _ => message,
        };
        QueryError::new(code, before.chars().count(), length, message, remedy)
    }
}

/// Where a name stands whole behind a sign.
fn behind(text: &str, sign: &str, name: &str) -> Option<usize> {
    let small = text.to_ascii_lowercase();
    let mut places = small.match_indices(sign).map(|(at, sign)| at + sign.len());
    places.find(|at| {
        let rest = text.get(*at..).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c)))
    })
}

fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> String {
    let distance = |known: &&String| strsim::osa_distance(known, name);
    match known.min_by_key(distance).filter(|near| distance(near) <= name.chars().count() / 3) {
        Some(near) => format!("did you mean @{near}?"),
        None => "declare one: kind: List, metadata: {name: …}, spec: {values: […]}".to_owned(),
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
        let mut known = Facts::default();
        facts.iter().for_each(|(field, value)| known.add(field, *value));
        let document = Analysis::default().document("", text, Some("ru"));
        let found = definitions().query(query).unwrap().matches(&document, &known).is_some();
        assert_eq!(found, expected, "{query} in {text} {facts:?}");
    }

    #[test]
    fn a_list_stands_for_any_of_its_values() {
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
    fn a_topic_stands_for_its_query() {
        check("topic:bank", "банки растут", &[], true);
        check("topic:bank", "реклама банка", &[], false);
        check("topic:rate", "ставка банка", &[], true);
        check("topic:rate", "ставка банка, реклама", &[], false);
        check("кредит NOT topic:bank", "кредит", &[], true);
        check("кредит NOT topic:bank", "кредит в банке", &[], false);
        check("topic:three", "банк", &[], true);
    }

    #[test]
    fn what_is_not_there_and_what_goes_in_circles_is_refused_with_its_place() {
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
    fn lists_are_not_gone_through_and_what_has_to_be_is_paid_for() {
        let list = |name: &str, value: &dyn Fn(usize) -> String| List {
            name: Name::new(name).unwrap(),
            values: (0..List::MOST).map(value).collect(),
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
    fn topics_that_double_each_other_end() {
        let topic = |number: usize| {
            let query = format!("(topic:t{0} OR topic:t{0}) AND слово{number}", number + 1);
            Topic::new(Name::new(&format!("t{number}")).unwrap(), query)
        };
        let mut topics: Vec<Topic> = (0..15).map(topic).collect();
        topics.push(Topic::new(Name::new("t15").unwrap(), "слово"));
        let error = Definitions::new(Vec::new(), &topics).query("topic:t0").unwrap_err();
        assert_eq!(error.code, "E_LIMIT");
        // Brackets that each topic may have, together.
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
