//! The rules of a robots.txt, parsed like Google's matcher does.
//!
//! The grammar is that of RFC 9309. For files that deviate from it, Google's published matcher is the
//! reference, because site operators test against it: misspelled keys, spaces instead of colons, `*` followed
//! by other words, `index.htm` as an alias of its folder, lines truncated at 16 KiB.

use std::time::Duration;

use super::pattern;

/// Upper bound on the length of a line, in bytes; longer lines are truncated. It is eight times the longest URL
/// that a browser accepts, as in Google's parser.
const MAX_LINE_BYTES: usize = 2083 * 8 - 1;

/// The rules of one robots.txt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    groups: Vec<Group>,
    delays: Vec<(Agent, Duration)>,
    sitemaps: Vec<String>,
}

/// The state of the parser.
#[derive(Default)]
struct Parser {
    rules: Rules,
    /// The agents of the latest consecutive `User-agent` lines, to which a `Crawl-delay` applies. Any other line
    /// ends this list, although only a rule ends a group. So in "User-agent: *, Crawl-delay: 9, User-agent: X"
    /// the delay does not apply to X.
    delay_agents: Vec<Agent>,
    /// Set if a line after the latest `User-agent` line has ended the list.
    is_list_complete: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Group {
    agents: Vec<Agent>,
    rules: Vec<Rule>,
    /// Set after the first rule: the next `User-agent` line starts another group.
    is_closed: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Agent {
    Any,
    Named(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    allow: bool,
    pattern: Vec<u8>,
    line: usize,
}

/// The decision of the rules on a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// True if the URL may be fetched.
    pub allowed: bool,
    /// The line number of the matching rule, counted from 1; `None` if no rule matched.
    pub line: Option<usize>,
    /// The matching rule in normalized form, such as `Disallow: /private`; empty if no rule matched.
    pub rule: String,
}

enum Key {
    UserAgent,
    Allow,
    Disallow,
    Sitemap,
    CrawlDelay,
    Unknown,
}

impl Rules {
    /// Parses a file. Never fails: malformed lines are ignored.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut parser = Parser::default();
        for (index, line) in lines(strip_bom(bytes)).enumerate() {
            let line = line.get(..MAX_LINE_BYTES).unwrap_or(line);
            if let Some((key, value)) = parse_line(line) {
                parser.add_line(index + 1, key, value);
            }
        }
        parser.rules
    }

    /// Returns the decision on a URL for a product token.
    pub fn decide(&self, agent: &str, url: &str) -> Decision {
        let path = path_of(url.as_bytes());
        let named_groups: Vec<&Group> = self.groups.iter().filter(|group| group.applies_to(agent)).collect();
        if let Some(decision) = best_match(named_groups.iter().copied(), &path) {
            return decision;
        }
        if !named_groups.is_empty() {
            return Decision { allowed: true, line: None, rule: String::new() };
        }
        let any_agent_groups = self.groups.iter().filter(|group| group.agents.contains(&Agent::Any));
        best_match(any_agent_groups, &path).unwrap_or(Decision {
            allowed: true,
            line: None,
            rule: String::new(),
        })
    }

    /// Returns the `Crawl-delay` for a product token. The field is not part of the RFC, but widely used.
    pub fn crawl_delay(&self, agent: &str) -> Option<Duration> {
        let longest_delay = |is_match: &dyn Fn(&Agent) -> bool| {
            self.delays.iter().filter(|(agent, _)| is_match(agent)).map(|(_, delay)| *delay).max()
        };
        if self.groups.iter().any(|group| group.applies_to(agent)) {
            longest_delay(&|candidate| candidate.is(agent))
        } else {
            longest_delay(&|candidate| *candidate == Agent::Any)
        }
    }

    /// Returns the sitemap URLs exactly as in the file.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }
}

impl Parser {
    /// Adds a parsed line to the rules.
    fn add_line(&mut self, line: usize, key: Key, value: &[u8]) {
        let groups = &mut self.rules.groups;
        if matches!(key, Key::UserAgent) {
            if groups.last().is_none_or(|group| group.is_closed) {
                groups.push(Group::default());
            }
            if std::mem::take(&mut self.is_list_complete) {
                self.delay_agents.clear();
            }
            let agent = parse_agent(value);
            self.delay_agents.push(agent.clone());
            if let Some(group) = groups.last_mut() {
                group.agents.push(agent);
            }
            return;
        }
        self.is_list_complete = true;
        match key {
            Key::Allow | Key::Disallow => {
                let allow = matches!(key, Key::Allow);
                if let Some(group) = groups.last_mut() {
                    group.is_closed = true;
                    group.rules.push(Rule { allow, pattern: normalize_pattern(value), line });
                }
            }
            Key::CrawlDelay => {
                let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
                if let Some(delay) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                    self.rules.delays.extend(self.delay_agents.iter().map(|agent| (agent.clone(), delay)));
                }
            }
            Key::Sitemap => self.rules.sitemaps.push(String::from_utf8_lossy(value).into_owned()),
            Key::UserAgent | Key::Unknown => (),
        }
    }
}

impl Agent {
    fn is(&self, product: &str) -> bool {
        matches!(self, Self::Named(name) if name.eq_ignore_ascii_case(product.as_bytes()))
    }
}

impl Group {
    fn applies_to(&self, product: &str) -> bool {
        self.agents.iter().any(|agent| agent.is(product))
    }
}

/// Returns the decision of the longest matching pattern. If patterns of the same length match, `Allow` wins.
fn best_match<'a>(groups: impl Iterator<Item = &'a Group>, path: &[u8]) -> Option<Decision> {
    let mut winner: Option<(&Rule, usize)> = None;
    for rule in groups.flat_map(|group| &group.rules) {
        let Some(length) = rule.matching_length(path).filter(|length| *length > 0) else { continue };
        let is_better = match winner {
            None => true,
            Some((best, best_length)) => {
                length > best_length || (length == best_length && rule.allow && !best.allow)
            }
        };
        if is_better {
            winner = Some((rule, length));
        }
    }
    winner.map(|(rule, _)| Decision {
        allowed: rule.allow,
        line: Some(rule.line),
        rule: format!(
            "{}: {}",
            if rule.allow { "Allow" } else { "Disallow" },
            String::from_utf8_lossy(&rule.pattern)
        ),
    })
}

impl Rule {
    /// Returns the length of the pattern if it matches the path.
    fn matching_length(&self, path: &[u8]) -> Option<usize> {
        if pattern::matches(&self.pattern, path) {
            return Some(self.pattern.len());
        }
        if !self.allow {
            return None;
        }
        // "Allow: /folder/index.html" also allows "/folder/".
        let slash = self.pattern.iter().rposition(|byte| *byte == b'/')?;
        let (folder, file) = self.pattern.split_at_checked(slash + 1)?;
        let folder = [folder, b"$"].concat();
        (file.starts_with(b"index.htm") && pattern::matches(&folder, path)).then_some(folder.len())
    }
}

/// Parses the value of a `User-agent` line.
fn parse_agent(value: &[u8]) -> Agent {
    match value {
        [b'*'] => Agent::Any,
        [b'*', next, ..] if next.is_ascii_whitespace() => Agent::Any,
        _ => {
            let token =
                value.iter().take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
            Agent::Named(token.copied().collect())
        }
    }
}

fn strip_bom(bytes: &[u8]) -> &[u8] {
    // Like Google's parser, also strip a truncated byte order mark.
    let mark = [0xef, 0xbb, 0xbf];
    let length = bytes.iter().zip(mark).take_while(|(byte, mark)| **byte == *mark).count();
    bytes.get(length..).unwrap_or_default()
}

/// Splits the file into lines, which end with LF, CR or CRLF.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            rest = None;
            return Some(bytes);
        };
        let (line, tail) = bytes.split_at(end);
        rest = Some(tail.strip_prefix(b"\r\n").or_else(|| tail.get(1..)).unwrap_or_default());
        Some(line)
    })
}

/// Parses a line into its key and value. Comments are removed.
fn parse_line(line: &[u8]) -> Option<(Key, &[u8])> {
    let end = line.iter().position(|byte| matches!(byte, b'#' | 0)).unwrap_or(line.len());
    let line = line.get(..end)?.trim_ascii();
    let (key, value) = match line.iter().position(|byte| *byte == b':') {
        Some(colon) => (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?.trim_ascii()),
        None => {
            // "Disallow /x": a space may replace the colon if the line has exactly two words.
            let space = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
            let value = line.get(space..)?.trim_ascii();
            if value.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
                return None;
            }
            (line.get(..space)?, value)
        }
    };
    if key.is_empty() {
        return None;
    }
    let has_prefix = |names: &[&str]| {
        names.iter().any(|name| {
            key.get(..name.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    let key = if has_prefix(&["user-agent", "useragent", "user agent"]) {
        Key::UserAgent
    } else if has_prefix(&["allow"]) {
        Key::Allow
    } else if has_prefix(&["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"]) {
        Key::Disallow
    } else if has_prefix(&["sitemap", "site-map"]) {
        Key::Sitemap
    } else if has_prefix(&["crawl-delay", "crawldelay"]) {
        Key::CrawlDelay
    } else {
        Key::Unknown
    };
    Some((key, value))
}

/// Normalizes a pattern like a URL: upper-case percent-encoding, and percent-encoded non-ASCII bytes.
fn normalize_pattern(value: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(value.len());
    let mut index = 0;
    while let Some(byte) = value.get(index) {
        match (byte, value.get(index + 1), value.get(index + 2)) {
            (b'%', Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                output.extend([b'%', a.to_ascii_uppercase(), b.to_ascii_uppercase()]);
                index += 3;
                continue;
            }
            (0x80.., ..) => output.extend(format!("%{byte:02X}").into_bytes()),
            _ => output.push(*byte),
        }
        index += 1;
    }
    output
}

/// Returns the path, parameters and query of a URL, which patterns are matched against.
fn path_of(url: &[u8]) -> Vec<u8> {
    let offset = if url.starts_with(b"//") { 2 } else { 0 };
    let find_any = |start: usize| {
        url.iter()
            .enumerate()
            .skip(start)
            .find(|(_, byte)| matches!(byte, b'/' | b'?' | b';'))
            .map(|(at, _)| at)
    };
    let scheme_end = url.windows(3).position(|window| window == b"://").filter(|at| *at >= offset);
    let authority = match (scheme_end, find_any(offset)) {
        (Some(end), Some(delimiter)) if delimiter >= end => end + 3,
        (Some(end), None) => end + 3,
        _ => offset,
    };
    let Some(start) = find_any(authority) else { return b"/".to_vec() };
    let fragment_start =
        url.iter().enumerate().skip(offset).find(|(_, byte)| **byte == b'#').map(|(at, _)| at);
    if fragment_start.is_some_and(|fragment| fragment < start) {
        return b"/".to_vec();
    }
    let path = url.get(start..fragment_start.unwrap_or(url.len())).unwrap_or_default();
    if path.first() == Some(&b'/') { path.to_vec() } else { [b"/", path].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_allowed(robots: &str, agent: &str, url: &str) -> bool {
        Rules::parse(robots.as_bytes()).decide(agent, url).allowed
    }

    #[test]
    fn groups_of_an_agent_are_merged_and_override_the_default_group() {
        let robots = "User-agent: *\nDisallow: /\n\nUser-agent: Qyran\nDisallow: /a\n\nuser-agent: qyran\nAllow: /a/b\n";
        for (url, expected) in [("http://x.kz/a", false), ("http://x.kz/a/b", true), ("http://x.kz/c", true)]
        {
            assert_eq!(is_allowed(robots, "Qyran", url), expected, "{url}");
        }
        assert!(!is_allowed(robots, "Other", "http://x.kz/c"));
    }

    #[test]
    fn a_decision_names_its_line_and_rule() {
        let rules = Rules::parse(b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /p\r\nAllow: /p/ok$\r\n");
        let decision = rules.decide("Qyran", "http://x.kz/p/ok");
        assert_eq!(
            (decision.allowed, decision.line, decision.rule.as_str()),
            (true, Some(3), "Allow: /p/ok$")
        );
        assert_eq!(rules.decide("Qyran", "http://x.kz/p/ok2").line, Some(2));
        assert_eq!(rules.decide("Qyran", "http://x.kz/").line, None);
    }

    #[test]
    fn cyrillic_patterns_and_long_lines_are_parsed() {
        let page = "<html>Ошибка сервера ".repeat(5000);
        assert!(is_allowed(&page, "Qyran", "http://x.kz/"));
        assert!(!is_allowed(
            "user-agent: *\ndisallow: /қала",
            "Qyran",
            "http://x.kz/%D2%9B%D0%B0%D0%BB%D0%B0"
        ));
    }

    #[test]
    fn crawl_delay_and_sitemaps_are_parsed() {
        let rules = Rules::parse(b"Sitemap: https://x.kz/s.xml\nUser-agent: *\nCrawl-delay: 2.5\n\nUser-agent: Qyran\nDisallow:\nCrawl-delay: 7\n");
        assert_eq!(rules.crawl_delay("Qyran"), Some(Duration::from_secs(7)));
        assert_eq!(rules.crawl_delay("Other"), Some(Duration::from_millis(2500)));
        assert_eq!(rules.sitemaps(), ["https://x.kz/s.xml"]);
        assert_eq!(Rules::parse(b"User-agent: *\nCrawl-delay: -1e400\n").crawl_delay("Q"), None);
    }

    /// Matchers with backtracking take exponential time for a pattern with many stars.
    #[test]
    fn many_stars_are_matched_in_linear_time() {
        let robots = format!("User-agent: *\nDisallow: /{}b\n", "*a".repeat(500));
        assert!(is_allowed(&robots, "Qyran", &format!("http://x.kz/{}", "a".repeat(5000))));
    }

    proptest! {
        /// The oracle is the `robotstxt` crate. It is reliable only for ASCII files without stars.
        #[test]
        fn agrees_with_another_implementation(
            groups in prop::collection::vec(
                (prop::sample::select(vec!["*", "Qyran", "qyran", "Other"]),
                 prop::collection::vec((prop::bool::ANY, "(/[ab/]{0,4}[$]?)?"), 0..4)), 0..4),
            path in "/[ab/]{0,6}",
        ) {
            let mut robots = String::new();
            for (agent, rules) in groups {
                robots.push_str(&format!("User-agent: {agent}\n"));
                for (allow, pattern) in rules {
                    robots.push_str(&format!("{}: {pattern}\n", if allow { "Allow" } else { "Disallow" }));
                }
            }
            let url = format!("http://x.kz{path}");
            let oracle = robotstxt::DefaultMatcher::default().one_agent_allowed_by_robots(&robots, "Qyran", &url);
            prop_assert_eq!(is_allowed(&robots, "Qyran", &url), oracle, "{}\n{}", robots, url);
        }
    }
}
