//! The output of the demo while it runs: a live view on a terminal, plain lines in a pipe.

use crate::terminal::message::clean;
use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Stdout};
use std::sync::Arc;
use std::time::Duration;

use actors::{Event, Tally};
use model::{Name, SourceState};
use origin::Origin;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{println, scene};

/// The maximum number of events in memory. No terminal shows more.
const MAX_EVENTS: usize = 200;

/// The events so far.
struct Progress {
    states: BTreeMap<Name, SourceState>,
    sites: usize,
    faulty: usize,
    statuses: BTreeMap<&'static str, u64>,
    materials: VecDeque<(Name, String, String)>,
    failures: VecDeque<(Name, String)>,
}

/// The live view on a terminal, or the plain lines in a pipe.
pub(super) struct Screen {
    terminal: Option<Terminal<CrosstermBackend<Stdout>>>,
    events: broadcast::Receiver<Event>,
    tally: Arc<Tally>,
    progress: Progress,
    began: Instant,
    length: Duration,
    is_closing: bool,
    colour: bool,
}

impl Screen {
    pub(super) fn open(origin: &Origin, length: Duration, tally: &Arc<Tally>) -> anyhow::Result<Self> {
        let sites = origin.world().sites.len();
        let progress = Progress {
            states: BTreeMap::new(),
            sites,
            faulty: scene::faulty_sites(origin),
            statuses: BTreeMap::new(),
            materials: VecDeque::new(),
            failures: VecDeque::new(),
        };
        let terminal = if std::io::stdout().is_terminal() {
            execute!(std::io::stdout(), EnterAlternateScreen, Hide)?;
            Some(Terminal::new(CrosstermBackend::new(std::io::stdout()))?)
        } else {
            println(&format!("{sites} simulated sites on loopback, {} of them faulty", progress.faulty))?;
            None
        };
        Ok(Self {
            terminal,
            events: tally.watch(),
            tally: tally.clone(),
            progress,
            began: Instant::now(),
            length,
            is_closing: false,
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        })
    }

    /// Shows the events since the last call.
    pub(super) fn refresh(&mut self) -> anyhow::Result<()> {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.add(event)?,
                Err(broadcast::error::TryRecvError::Lagged(_)) => (),
                Err(_) => break,
            }
        }
        self.draw()
    }

    /// Shows that the node is finishing its current work.
    pub(super) fn show_closing(&mut self) -> anyhow::Result<()> {
        self.is_closing = true;
        self.refresh()
    }

    /// Restores the terminal and prints a summary of the sources.
    pub(super) fn close(&mut self) -> anyhow::Result<()> {
        self.refresh()?;
        if self.terminal.take().is_some() {
            execute!(std::io::stdout(), LeaveAlternateScreen, Show)?;
        }
        let count = |states: &[SourceState]| {
            self.progress.states.values().filter(|state| states.contains(state)).count()
        };
        let read = count(&SourceState::ALL) - count(&[SourceState::Candidate]);
        println(&format!(
            "{} sites: {} live, {} degraded or unreachable, {} disallowed, {} broken, {} gone, {} not read yet",
            self.progress.sites,
            count(&[SourceState::Live]),
            count(&[SourceState::Degraded, SourceState::Unreachable]),
            count(&[SourceState::Disallowed]),
            count(&[SourceState::BrokenLayout]),
            count(&[SourceState::Gone]),
            self.progress.sites.saturating_sub(read)
        ))
    }

    /// Adds an event to the progress. Without a terminal, prints it.
    fn add(&mut self, event: Event) -> anyhow::Result<()> {
        let is_plain = self.terminal.is_none();
        match event {
            Event::Fetched { source, record } => {
                *self.progress.statuses.entry(record.status.as_str()).or_default() += 1;
                if !record.status.is_ok() {
                    let text = format!("{}: {}", record.status.as_str(), clean(&record.detail));
                    if is_plain {
                        println(&format!("failure   {source:<12} {text}"))?;
                    }
                    push(&mut self.progress.failures, (source, text));
                }
            }
            Event::State { source, state } => {
                let before = self.progress.states.insert(source.clone(), state);
                if is_plain && before != Some(state) {
                    println(&format!("source    {source:<12} {}", state.as_str()))?;
                }
            }
            Event::Material { source, topics, title } => {
                let topics = topics.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
                let title = clean(&title);
                if is_plain {
                    println(&format!("material  {source:<12} [{topics}] {title}"))?;
                }
                push(&mut self.progress.materials, (source, topics, title));
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        let view = View {
            progress: &self.progress,
            totals: self.tally.totals(),
            elapsed: self.began.elapsed(),
            length: self.length,
            is_closing: self.is_closing,
            colour: self.colour,
        };
        terminal.draw(|frame| view.draw(frame))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.terminal.take().is_some() {
            // Restore the terminal before an error is printed.
            let _ = execute!(std::io::stdout(), LeaveAlternateScreen, Show);
        }
    }
}

fn push<T>(lines: &mut VecDeque<T>, line: T) {
    lines.push_front(line);
    lines.truncate(MAX_EVENTS);
}

/// The content of the live view.
struct View<'a> {
    progress: &'a Progress,
    totals: actors::Totals,
    elapsed: Duration,
    length: Duration,
    is_closing: bool,
    colour: bool,
}

impl View<'_> {
    fn draw(&self, frame: &mut ratatui::Frame<'_>) {
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(2), Constraint::Min(8), Constraint::Length(7)])
                .areas(frame.area());
        let [left, right] = Layout::horizontal([Constraint::Length(34), Constraint::Min(30)]).areas(body);
        let [states, fetches] = Layout::vertical([Constraint::Min(6), Constraint::Length(9)]).areas(left);
        frame.render_widget(Paragraph::new(self.head()), head);
        frame.render_widget(self.boxed("sources by state", self.states()), states);
        frame.render_widget(self.boxed("fetches", self.fetches()), fetches);
        frame.render_widget(self.boxed("materials", self.materials(right)), right);
        frame.render_widget(self.boxed("failed fetches", self.failures()), foot);
    }

    fn style(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn boxed<'b>(&self, title: &'b str, lines: Vec<Line<'b>>) -> Paragraph<'b> {
        Paragraph::new(lines)
            .block(Block::bordered().title(format!(" {title} ")).border_style(self.style(Color::DarkGray)))
    }

    fn head(&self) -> Vec<Line<'static>> {
        let left = self.length.saturating_sub(self.elapsed).as_secs();
        let end = if self.is_closing {
            "finishing the current work".to_owned()
        } else {
            format!("{left} s left, stop with Ctrl-C")
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        vec![
            Line::from(vec![
                Span::styled(" qyran demo ", bold),
                Span::raw(format!(
                    "· {} simulated sites on loopback, {} of them faulty · {end}",
                    self.progress.sites, self.progress.faulty
                )),
            ]),
            Line::from(vec![
                Span::raw(format!(" {} fetches · {} items · ", self.totals.fetches, self.totals.items)),
                Span::styled(
                    format!("{} materials", self.totals.materials),
                    bold.patch(self.style(Color::Green)),
                ),
            ]),
        ]
    }

    fn states(&self) -> Vec<Line<'static>> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for state in self.progress.states.values() {
            *counts.entry(state.as_str()).or_default() += 1;
        }
        let unread = self.progress.sites.saturating_sub(self.progress.states.len());
        let of = |state: SourceState| match state {
            SourceState::Candidate => unread,
            state => counts.get(state.as_str()).copied().unwrap_or(0),
        };
        SourceState::ALL
            .into_iter()
            .filter(|state| of(*state) > 0)
            .map(|state| {
                let bar = "▪".repeat((of(state) * 14).div_ceil(self.progress.sites.max(1)));
                Line::from(vec![
                    Span::raw(format!(" {:<13} {:>3} ", state.as_str(), of(state))),
                    Span::styled(bar, self.style(colour_of(state))),
                ])
            })
            .collect()
    }

    fn fetches(&self) -> Vec<Line<'static>> {
        let mut statuses: Vec<(&&str, &u64)> = self.progress.statuses.iter().collect();
        statuses.sort_by_key(|(status, count)| (std::cmp::Reverse(**count), **status));
        statuses.into_iter().map(|(status, count)| Line::raw(format!(" {status:<16} {count:>5}"))).collect()
    }

    fn materials(&self, area: Rect) -> Vec<Line<'static>> {
        let count = usize::from(area.height).saturating_sub(2);
        let line = |(source, topics, title): &(Name, String, String)| {
            Line::from(vec![
                Span::styled(format!(" {source:<11} "), self.style(Color::Cyan)),
                Span::styled(format!("{topics:<22.22} "), self.style(Color::Green)),
                Span::raw(title.clone()),
            ])
        };
        self.progress.materials.iter().take(count).map(line).collect()
    }

    fn failures(&self) -> Vec<Line<'static>> {
        let line = |(source, text): &(Name, String)| {
            Line::from(vec![
                Span::styled(format!(" {source:<11} "), self.style(Color::Yellow)),
                Span::raw(text.clone()),
            ])
        };
        self.progress.failures.iter().take(5).map(line).collect()
    }
}

fn colour_of(state: SourceState) -> Color {
    match state {
        SourceState::Live => Color::Green,
        SourceState::Candidate | SourceState::Paused => Color::Blue,
        SourceState::Degraded => Color::Yellow,
        _ => Color::Red,
    }
}
