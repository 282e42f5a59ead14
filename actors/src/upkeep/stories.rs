//! Reprints are linked to the story that they belong to: each item that is stored is looked at beside those of the days before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matcher::sketch;
use model::{Originality, Similarity, Sketch, Timestamp};
use service::{BackendError, Snapshot};
use store::{Candidate, ItemMatches, StoreError, StoredItem, StoryLink};

use crate::context::Context;

/// What was first seen within this may be a reprint; what comes later of the same words is another story.
const WITHIN: Duration = Duration::from_secs(3 * 86_400);
/// Items looked at in one step.
const STEP: usize = 200;
/// How long linking is a node's after it began a step: two at a time would miss each other's.
const LINK: Duration = Duration::from_secs(60);

/// Links everything that waits for it: what a single pass does last, after which nobody may be there to do it.
pub async fn link_all(context: &Context) -> Result<(), BackendError> {
    while link_some(context).await? {}
    Ok(())
}

/// Links a step of items. False where none waits, or it is another node's duty.
pub(crate) async fn link_some(context: &Context) -> Result<bool, BackendError> {
    let items = context.store.unlinked_items(STEP).await?;
    if items.is_empty() || !context.take_duty("stories", LINK).await? {
        return Ok(false);
    }
    match link(context, items).await {
        // Topics that ask for reprints may be new: they are decided by what is declared now.
        Err(StoreError::StaleObjects) => context.reload().await?,
        linked => linked?,
    }
    Ok(true)
}

/// Links items that were not looked at yet to the stories that they belong to, and matches them against the topics that
/// waited for it.
async fn link(context: &Context, items: Vec<StoredItem>) -> Result<(), StoreError> {
    let Context { store, pool, .. } = context;
    let (snapshot, now) = (context.snapshot(), context.clock.now());
    let forget = now.checked_sub(WITHIN).unwrap_or(Timestamp::MIN);
    let known_by = move || {
        // An edit makes nothing of an item that it was not: what is linked is linked for good, and what is older than what it
        // would be held beside is nobody's reprint.
        let known_by = |stored: &StoredItem| match stored.originality {
            None if stored.first_seen > forget => sketch(&stored.item),
            None | Some(_) => Sketch::default(),
        };
        items.into_iter().map(|stored| (known_by(&stored), stored)).collect::<Vec<_>>()
    };
    let items = pool.run(known_by).await;
    let keys: Vec<i64> = items.iter().flat_map(|(sketch, _)| sketch.keys.iter().copied()).collect();
    let known = if keys.is_empty() { Vec::new() } else { store.candidates(&keys, forget).await? };
    let mut by_key = ByKey::of(known);
    let (mut linked, mut compared) = (Vec::new(), Vec::new());
    for (sketch, mut stored) in items {
        let nearest = by_key.nearest(&sketch, &stored);
        let (story, similarity) =
            nearest.map_or((stored.row, None), |(story, similarity)| (story, Some(similarity)));
        let source = stored.item.source.clone();
        stored.originality.get_or_insert(Originality::of(similarity));
        by_key.add(Candidate { row: stored.row, story, source: source.clone(), sketch: sketch.clone() });
        let (row, version, at) = (stored.row, stored.version, stored.first_seen);
        linked.push(StoryLink { row, version, source, at, story, similarity, sketch });
        compared.push(stored);
    }
    // Before they count as linked: whoever is stopped here does it again.
    decide(context, &snapshot, compared, now).await?;
    store.link(&linked, forget, snapshot.version()).await
}

/// Matches items, of which it is known now whether they are reprints, against the topics that ask for that.
async fn decide(
    context: &Context,
    snapshot: &Arc<Snapshot>,
    items: Vec<StoredItem>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if snapshot.deferred().is_empty() {
        return Ok(());
    }
    let of = snapshot.clone();
    let matched = move || {
        let matched = |stored: &StoredItem| {
            let source = of.declared(&stored.item.source)?;
            let matches = of.topics().matches(&stored.item, &source, stored.sight()).1;
            let deferred_topics = [].into();
            Some(ItemMatches { row: stored.row, version: stored.version, matches, deferred_topics })
        };
        items.iter().filter_map(matched).collect::<Vec<_>>()
    };
    let matched = context.pool.run(matched).await;
    context.store.rematch(&snapshot.deferred(), &matched, now).await?;
    Ok(())
}

/// What items may be like, by the keys that they share.
#[derive(Default)]
struct ByKey {
    candidates: Vec<Candidate>,
    by_key: HashMap<i64, Vec<usize>>,
}

impl ByKey {
    fn of(known: Vec<Candidate>) -> Self {
        let mut all = Self::default();
        known.into_iter().for_each(|candidates| all.add(candidates));
        all
    }

    fn add(&mut self, candidates: Candidate) {
        for key in &candidates.sketch.keys {
            self.by_key.entry(*key).or_default().push(self.candidates.len());
        }
        self.candidates.push(candidates);
    }

    /// The story of what it is most like, and how; of several, the one that was there first.
    fn nearest(&self, sketch: &Sketch, stored: &StoredItem) -> Option<(i64, Similarity)> {
        let sharing = sketch.keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let similarity = |place: &usize| {
            let candidates = self.candidates.get(*place).filter(|candidates| candidates.row != stored.row)?;
            let similarity =
                sketch.similarity(&candidates.sketch, candidates.source == stored.item.source)?;
            Some((candidates, similarity))
        };
        let nearest = sharing.filter_map(similarity).max_by(|(one, how), (other, other_how)| {
            how.share.total_cmp(&other_how.share).then(other.row.cmp(&one.row))
        });
        nearest.map(|(candidates, similarity)| (candidates.story, similarity))
    }
}

#[cfg(test)]
mod tests {
    use model::{Name, Tag, Topic};
    use store::{MaterialQuery, Objects, StoredMatch};

    use crate::tests::stage::{Page, Stage, source, until};

    fn named(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    /// A feed with these publications: identifier, title, words.
    fn feed(publications: &[(&str, &str, &str)]) -> Page {
        let item = |(id, title, text): &(&str, &str, &str)| {
            format!(
                "<item><guid isPermaLink='false'>{id}</guid><title>{title}</title>\
                 <content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>{text}</content:encoded></item>"
            )
        };
        let items: String = publications.iter().map(item).collect();
        Page::Body(format!("<rss version='2.0'><channel><title>Лента</title>{items}</channel></rss>"))
    }

    fn words(name: &str, count: usize) -> String {
        (0..count).map(|n| format!("{name}{n} ")).collect()
    }

    /// Topics that ask for reprints match when it is known what is one, once, and what an edit says is held against them.
    #[tokio::test(start_paused = true)]
    async fn topics_that_ask_for_reprints_wait_until_they_are_known() {
        let stage = Stage::with(&[]).await;
        let (text, framed) = (words("слово", 120), format!("Как пишет агентство, {}", words("слово", 110)));
        stage.web.put("http://a.kz/feed", feed(&[("1", "Агентство", &text)]));
        let queries =
            [("first", "слово7 dup:original"), ("again", "слово7 NOT dup:original"), ("all", "слово7")];
        let mut topics: Vec<Topic> =
            queries.iter().map(|(name, query)| Topic::new(named(name), (*query).to_owned())).collect();
        topics[2].tags = vec![Tag { name: named("copied"), query: "dup:reprint".to_owned() }];
        let declare = async |topics: &[Topic], sources: &[&str]| {
            let objects = Objects {
                topics: topics.to_vec(),
                sources: sources.iter().map(|host| source(host)).collect(),
                ..Objects::default()
            };
            stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
        };
        declare(&topics, &["a.kz"]).await;
        let _node = stage.start().await;
        let found = async || {
            let all = MaterialQuery { limit: 20, ..MaterialQuery::default() };
            let of = |one: StoredMatch| {
                let host = one.item.item.source.to_string();
                (one.seq, format!("{} {host}{}", one.found.topic, "+".repeat(one.found.tags.len())))
            };
            stage.store.materials(&all).await.unwrap().into_iter().map(of).collect::<Vec<_>>()
        };
        let names = |found: &[(i64, String)]| {
            let mut names: Vec<String> = found.iter().map(|(_, name)| name.clone()).collect();
            names.sort();
            names
        };
        until("the original is known", async || found().await.len() == 2).await;
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &framed)]));
        declare(&topics, &["a.kz", "b.kz"]).await;
        let expected = ["again b.kz", "all a.kz", "all b.kz+", "first a.kz"];
        until("the reprint is known", async || names(&found().await) == expected).await;
        let before = found().await;

        // An edit that says the same: every match keeps its place. One that says something else goes.
        stage.web.put("http://a.kz/feed", feed(&[("1", "Агентство", &format!("{text} дополнено"))]));
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &words("другое", 110))]));
        until("what was edited is held against them", async || {
            names(&found().await) == ["all a.kz", "first a.kz"]
        })
        .await;
        until("all are looked at", async || stage.store.unlinked_items(1).await.unwrap().is_empty()).await;
        let kept: Vec<_> = before.into_iter().filter(|(_, name)| name.ends_with("a.kz")).collect();
        assert_eq!(found().await, kept);

        // A topic that is new sees what is known already.
        topics.push(Topic::new(named("new"), "слово9 dup:original".to_owned()));
        declare(&topics, &["a.kz", "b.kz"]).await;
        until("it is matched again", async || {
            names(&found().await) == ["all a.kz", "first a.kz", "new a.kz"]
        })
        .await;
    }

    /// Reprints of one text, cut and framed, on other sources: one story. The same rubric of a day later, another text, and
    /// what one source prints each day in the same form: stories of their own.
    #[tokio::test(start_paused = true)]
    async fn reprints_become_one_story() {
        let stage = Stage::with(&[]).await;
        let text = words("слово", 120);
        let framed = format!("Как пишет агентство, {} Читайте нас.", words("слово", 100));
        let rates = |number: usize| format!("{} {number}", words("курс", 60));
        stage.web.put(
            "http://a.kz/feed",
            feed(&[("1", "Агентство", &text), ("2", "Курсы", &rates(1)), ("3", "Курсы", &rates(2))]),
        );
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &framed)]));
        stage.web.put("http://c.kz/feed", feed(&[("1", "Агентство", &words("иное", 120))]));
        let sources = ["a.kz", "b.kz", "c.kz"].map(source).into();
        stage
            .store
            .declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now())
            .await
            .unwrap();
        let _node = stage.start().await;
        until("all are stored", async || stage.items().await == 5).await;
        until("all are looked at", async || stage.store.unlinked_items(1).await.unwrap().is_empty()).await;
        let mut stories = Vec::new();
        for stored in stage.store.items(0, 10).await.unwrap() {
            let story = stage.store.story(stored.row, 10).await.unwrap();
            stories.push(story.len());
        }
        stories.sort_unstable();
        assert_eq!(stories, [1, 1, 1, 2, 2]);
    }
}
