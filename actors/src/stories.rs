//! Reprints are linked to the story that they belong to: each item that is stored is looked at beside those of the days before.

use std::collections::HashMap;
use std::time::Duration;

use matcher::likeness;
use model::{Kinship, Likeness, Timestamp};
use store::{Kin, Linked, Store, StoreError, StoredItem};

use crate::pool::Pool;

/// What was first seen within this may be a reprint; what comes later of the same words is another story.
const WITHIN: Duration = Duration::from_secs(3 * 86_400);
/// Items looked at in one step.
const STEP: usize = 200;

/// Links items that were not looked at yet to the stories that they belong to.
pub(crate) async fn link(
    store: &dyn Store,
    pool: &Pool,
    items: Vec<StoredItem>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known_by = move || {
        let one = |stored: StoredItem| (likeness(&stored.item), stored);
        items.into_iter().map(one).collect::<Vec<_>>()
    };
    let items = pool.run(known_by).await;
    let keys: Vec<i64> = items.iter().flat_map(|(likeness, _)| likeness.keys.iter().copied()).collect();
    let forget = now.checked_sub(WITHIN).unwrap_or(Timestamp::MIN);
    let known = if keys.is_empty() { Vec::new() } else { store.kin(&keys, forget).await? };
    let mut by_key = ByKey::of(known);
    let mut linked = Vec::new();
    for (likeness, stored) in items {
        let nearest = by_key.nearest(&likeness, &stored);
        let (story, kinship) = nearest.map_or((stored.row, None), |(story, kinship)| (story, Some(kinship)));
        let source = stored.item.source;
        by_key.add(Kin { row: stored.row, story, source: source.clone(), likeness: likeness.clone() });
        linked.push(Linked { row: stored.row, source, at: stored.first_seen, story, kinship, likeness });
    }
    store.link(&linked, forget).await
}

/// Items not yet looked at, a step of them.
pub(crate) async fn waiting(store: &dyn Store) -> Result<Vec<StoredItem>, StoreError> {
    store.unlinked(STEP).await
}

/// What items may be like, by the keys that they share.
#[derive(Default)]
struct ByKey {
    kin: Vec<Kin>,
    by_key: HashMap<i64, Vec<usize>>,
}

impl ByKey {
    fn of(known: Vec<Kin>) -> Self {
        let mut all = Self::default();
        known.into_iter().for_each(|kin| all.add(kin));
        all
    }

    fn add(&mut self, kin: Kin) {
        for key in &kin.likeness.keys {
            self.by_key.entry(*key).or_default().push(self.kin.len());
        }
        self.kin.push(kin);
    }

    /// The story of what it is most like, and how; of several, the one that was there first.
    fn nearest(&self, likeness: &Likeness, stored: &StoredItem) -> Option<(i64, Kinship)> {
        let sharing = likeness.keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let kinship = |place: &usize| {
            let kin = self.kin.get(*place).filter(|kin| kin.row != stored.row)?;
            let kinship = likeness.kinship(&kin.likeness, kin.source == stored.item.source)?;
            Some((kin, kinship))
        };
        let nearest = sharing.filter_map(kinship).max_by(|(one, how), (other, other_how)| {
            how.share.total_cmp(&other_how.share).then(other.row.cmp(&one.row))
        });
        nearest.map(|(kin, kinship)| (kin.story, kinship))
    }
}

#[cfg(test)]
mod tests {
    use store::{Objects, Store};

    use crate::testing::{Page, Stage, source, until};

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
        until("all are looked at", async || stage.store.unlinked(1).await.unwrap().is_empty()).await;
        let mut stories = Vec::new();
        for stored in stage.store.items(0, 10).await.unwrap() {
            let story = stage.store.story(stored.row, 10).await.unwrap();
            stories.push(story.len());
        }
        stories.sort_unstable();
        assert_eq!(stories, [1, 1, 1, 2, 2]);
    }
}
