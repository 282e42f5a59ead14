//! The rules of a robots.txt, read as Google's matcher reads them.
//!
//! The grammar is RFC 9309's; where real files depart from it, Google's published matcher decides,
//! since that is what their authors tested against: misspelt keys, spaces for colons, `*` with
//! words behind it, `index.htm` standing for its folder, lines cut at 16 KiB.

use std::time::Duration;

use super::pattern;

/// Longer lines are cut: eight times the longest address a browser takes, as in Google's reader.
const MAX_LINE_BYTES: usize = 2083 * 8 - 1;

/// The rules of one robots.txt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    groups: Vec<Group>,
    delays: Vec<(Agent, Duration)>,
    sitemaps: Vec<String>,
}

/// Rules as they are being read.
#[derive(Default)]
struct Reader {
    rules: Rules,
    /// The agents that a `Crawl-delay` here is meant for. Any other line ends the run, although only
    /// a rule ends a group: "User-agent: *, Crawl-delay: 9, User-agent: X" asks nothing of X.
    run: Vec<Agent>,
    run_ended: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Group {
    agents: Vec<Agent>,
    rules: Vec<Rule>,
    /// A rule was read: the next `user-agent` line opens another group.
    closed: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Agent {
    Everyone,
    Named(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    allow: bool,
    pattern: Vec<u8>,
    line: usize,
}

/// What the rules say about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be fetched.
    pub allowed: bool,
    /// The line that decided, counted from 1; `None` where no rule matched.
    pub line: Option<usize>,
    /// The rule as it was understood: `Disallow: /private`.
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
    /// Reads a file. Never fails: what makes no sense is passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader::default();
        for (index, line) in lines(strip_bom(bytes)).enumerate() {
            let line = line.get(..MAX_LINE_BYTES).unwrap_or(line);
            if let Some((key, value)) = key_and_value(line) {
                reader.take(index + 1, key, value);
            }
        }
        reader.rules
    }

    /// What the rules say about an address for a product token.
    pub fn decide(&self, agent: &str, url: &str) -> Decision {
        let path = path_of(url.as_bytes());
        let mine: Vec<&Group> = self.groups.iter().filter(|group| group.names(agent)).collect();
        if let Some(decision) = best(mine.iter().copied(), &path) {
            return decision;
        }
        if !mine.is_empty() {
            return Decision { allowed: true, line: None, rule: String::new() };
        }
        let everyone = self.groups.iter().filter(|group| group.agents.contains(&Agent::Everyone));
        best(everyone, &path).unwrap_or(Decision { allowed: true, line: None, rule: String::new() })
    }

    /// The `Crawl-delay` for a product token: not in the RFC, widely used, honoured.
    pub fn crawl_delay(&self, agent: &str) -> Option<Duration> {
        let of = |wanted: &dyn Fn(&Agent) -> bool| {
            self.delays.iter().filter(|(agent, _)| wanted(agent)).map(|(_, delay)| *delay).max()
        };
        if self.groups.iter().any(|group| group.names(agent)) {
            of(&|known| known.is(agent))
        } else {
            of(&|known| *known == Agent::Everyone)
        }
    }

    /// The sitemaps that the file offers, as it spells them.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }
}

impl Reader {
    fn take(&mut self, line: usize, key: Key, value: &[u8]) {
        let groups = &mut self.rules.groups;
        if matches!(key, Key::UserAgent) {
            if groups.last().is_none_or(|group| group.closed) {
                groups.push(Group::default());
            }
            if std::mem::take(&mut self.run_ended) {
                self.run.clear();
            }
            let agent = agent(value);
            self.run.push(agent.clone());
            if let Some(group) = groups.last_mut() {
                group.agents.push(agent);
            }
            return;
        }
        self.run_ended = true;
        match key {
            Key::Allow | Key::Disallow => {
                let allow = matches!(key, Key::Allow);
                if let Some(group) = groups.last_mut() {
                    group.closed = true;
                    group.rules.push(Rule { allow, pattern: escaped(value), line });
                }
            }
            Key::CrawlDelay => {
                let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
                if let Some(delay) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                    self.rules.delays.extend(self.run.iter().map(|agent| (agent.clone(), delay)));
                }
            }
            Key::Sitemap => self.rules.sitemaps.push(String::from_utf8_lossy(value).into_owned()),
            Key::UserAgent | Key::Unknown => (),
        }
    }
}

impl Agent {
    fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Named(name) if name.eq_ignore_ascii_case(wanted.as_bytes()))
    }
}

impl Group {
    fn names(&self, wanted: &str) -> bool {
        self.agents.iter().any(|agent| agent.is(wanted))
    }
}

/// The longest matching pattern wins, and `allow` wins a tie.
fn best<'a>(groups: impl Iterator<Item = &'a Group>, path: &[u8]) -> Option<Decision> {
    let mut winner: Option<(&Rule, usize)> = None;
    for rule in groups.flat_map(|group| &group.rules) {
        let Some(length) = rule.matching_length(path).filter(|length| *length > 0) else { continue };
        let better = match winner {
            None => true,
            Some((held, held_length)) => {
                length > held_length || (length == held_length && rule.allow && !held.allow)
            }
        };
        if better {
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

fn agent(value: &[u8]) -> Agent {
    match value {
        [b'*'] => Agent::Everyone,
        [b'*', next, ..] if next.is_ascii_whitespace() => Agent::Everyone,
        _ => {
            let token =
                value.iter().take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
            Agent::Named(token.copied().collect())
        }
    }
}

fn strip_bom(bytes: &[u8]) -> &[u8] {
    // Also a mark that was cut short is one.
    let mark = [0xef, 0xbb, 0xbf];
    let length = bytes.iter().zip(mark).take_while(|(byte, mark)| **byte == *mark).count();
    bytes.get(length..).unwrap_or_default()
}

/// Lines ended by LF, CR or CRLF.
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

fn key_and_value(line: &[u8]) -> Option<(Key, &[u8])> {
    let end = line.iter().position(|byte| matches!(byte, b'#' | 0)).unwrap_or(line.len());
    let line = line.get(..end)?.trim_ascii();
    let (key, value) = match line.iter().position(|byte| *byte == b':') {
        Some(colon) => (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?.trim_ascii()),
        None => {
            // "Disallow /x": a space for the colon, but only where exactly two words stand.
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
    let starts = |names: &[&str]| {
        names
            .iter()
            .any(|name| key.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes())))
    };
    let kind = if starts(&["user-agent", "useragent", "user agent"]) {
        Key::UserAgent
    } else if starts(&["allow"]) {
        Key::Allow
    } else if starts(&["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"]) {
        Key::Disallow
    } else if starts(&["sitemap", "site-map"]) {
        Key::Sitemap
    } else if starts(&["crawl-delay", "crawldelay"]) {
        Key::CrawlDelay
    } else {
        Key::Unknown
    };
    Some((kind, value))
}

/// A pattern with `%xx` in upper case and bytes above ASCII percent-encoded, as addresses have them.
fn escaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut index = 0;
    while let Some(byte) = value.get(index) {
        match (byte, value.get(index + 1), value.get(index + 2)) {
            (b'%', Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                out.extend([b'%', a.to_ascii_uppercase(), b.to_ascii_uppercase()]);
                index += 3;
                continue;
            }
            (0x80.., ..) => out.extend(format!("%{byte:02X}").into_bytes()),
            _ => out.push(*byte),
        }
        index += 1;
    }
    out
}

/// The path, parameters and query of an address: what patterns are matched against.
fn path_of(url: &[u8]) -> Vec<u8> {
    let from = if url.starts_with(b"//") { 2 } else { 0 };
    let find_any = |start: usize| {
        url.iter()
            .enumerate()
            .skip(start)
            .find(|(_, byte)| matches!(byte, b'/' | b'?' | b';'))
            .map(|(at, _)| at)
    };
    let scheme_end = url.windows(3).position(|window| window == b"://").filter(|at| *at >= from);
    let authority = match (scheme_end, find_any(from)) {
        (Some(end), Some(early)) if early >= end => end + 3,
        (Some(end), None) => end + 3,
        _ => from,
    };
    let Some(start) = find_any(authority) else { return b"/".to_vec() };
    let hash = url.iter().enumerate().skip(from).find(|(_, byte)| **byte == b'#').map(|(at, _)| at);
    if hash.is_some_and(|hash| hash < start) {
        return b"/".to_vec();
    }
    let path = url.get(start..hash.unwrap_or(url.len())).unwrap_or_default();
    if path.first() == Some(&b'/') { path.to_vec() } else { [b"/", path].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(robots: &str, agent: &str, url: &str) -> bool {
        Rules::parse(robots.as_bytes()).decide(agent, url).allowed
    }

    #[test]
    fn groups_are_merged_and_the_named_one_wins() {
        let robots = "User-agent: *\nDisallow: /\n\nUser-agent: Qyran\nDisallow: /a\n\nuser-agent: qyran\nAllow: /a/b\n";
        for (url, expected) in [("http://x.kz/a", false), ("http://x.kz/a/b", true), ("http://x.kz/c", true)]
        {
            assert_eq!(allowed(robots, "Qyran", url), expected, "{url}");
        }
        assert!(!allowed(robots, "Other", "http://x.kz/c"));
    }

    #[test]
    fn the_deciding_line_is_named() {
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
    fn cyrillic_and_long_lines_do_not_panic() {
        let page = "<html>Ошибка сервера ".repeat(5000);
        assert!(allowed(&page, "Qyran", "http://x.kz/"));
        assert!(!allowed("user-agent: *\ndisallow: /қала", "Qyran", "http://x.kz/%D2%9B%D0%B0%D0%BB%D0%B0"));
    }

    #[test]
    fn delay_and_sitemaps() {
        let rules = Rules::parse(b"Sitemap: https://x.kz/s.xml\nUser-agent: *\nCrawl-delay: 2.5\n\nUser-agent: Qyran\nDisallow:\nCrawl-delay: 7\n");
        assert_eq!(rules.crawl_delay("Qyran"), Some(Duration::from_secs(7)));
        assert_eq!(rules.crawl_delay("Other"), Some(Duration::from_millis(2500)));
        assert_eq!(rules.sitemaps(), ["https://x.kz/s.xml"]);
        assert_eq!(Rules::parse(b"User-agent: *\nCrawl-delay: -1e400\n").crawl_delay("Q"), None);
    }

    /// A pattern of stars, which hangs matchers that try every way of dividing it.
    #[test]
    fn a_bomb_of_stars_is_matched_in_linear_time() {
        let robots = format!("User-agent: *\nDisallow: /{}b\n", "*a".repeat(500));
        assert!(allowed(&robots, "Qyran", &format!("http://x.kz/{}", "a".repeat(5000))));
    }

    proptest! {
        /// The `robotstxt` crate as an oracle, where it can be trusted: ASCII files without stars.
        #[test]
        fn agrees_with_another_reading_of_the_rfc(
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
            prop_assert_eq!(allowed(&robots, "Qyran", &url), oracle, "{}\n{}", robots, url);
        }
    }
}
