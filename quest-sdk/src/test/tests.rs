//! The SDK's own features, each by a quest of a few lines.

use quest_sdk::{prelude::*, test::World};

const USER: &str = "user-1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    metres: u32,
    by: Option<String>,
}

#[derive(Variables)]
struct Walk {
    metres: u64,
    #[variable(name = "log")]
    steps: Vec<Step>,
    goal: u64,
    #[variable(skip)]
    scratch: u64,
}

impl Default for Walk {
    fn default() -> Self {
        Self { metres: 0, steps: Vec::new(), goal: 100, scratch: 7 }
    }
}

/// Walks until the goal.
///
/// More for people.
#[quest(version = 2, add_on = "joined")]
impl Walk {
    #[action(on = ["stepped", "jumped"])]
    fn step(&mut self, step: Step, cx: &Context) -> Result {
        assert_eq!(self.scratch, 7);
        self.metres += u64::from(step.metres);
        self.steps.push(step);
        cx.timers().after_with("rest", minutes(5), "rest", self.metres)?;
        cx.log().info(format_args!("{} of {}", self.metres, self.goal));
        Ok(())
    }

    #[action]
    fn rest(&mut self, cx: &Context, metres: u64) -> Result {
        assert_eq!(cx.cause(), Cause::Timer);
        cx.publish("rested", Step { metres: metres as u32, by: None })
    }

    #[action(name = "aim-at")]
    fn aim(&mut self, goal: u64) -> Result<u64> {
        if goal == 0 {
            return Err(fail("no-goal", "a goal is more than nothing"));
        }
        Ok(std::mem::replace(&mut self.goal, goal))
    }

    #[action]
    fn flaky(&mut self, cx: &Context) -> Result {
        self.metres += 1;
        if cx.attempt() < 3 { Err(transient("not yet")) } else { Ok(()) }
    }

    #[action]
    fn parse(&mut self, text: String) -> Result<i32> {
        self.metres += 1;
        Ok(text.parse::<i32>()?)
    }

    #[action]
    fn boom(&mut self) {
        self.metres += 1;
        panic!("at {}", self.metres);
    }

    #[query]
    fn left(&self) -> u64 {
        self.goal.saturating_sub(self.metres)
    }

    #[query]
    fn cheat(&self, cx: &Context) -> Result<bool> {
        cx.emit("stepped", ())?;
        Ok(true)
    }

    fn dealloc(&self, cx: &Context) -> Result {
        cx.publish("left", self.metres)
    }

    fn helper(&self) -> u64 {
        self.metres
    }
}

fn step(metres: u32) -> Step {
    Step { metres, by: Some("foot".to_owned()) }
}

#[test]
fn defines_what_the_attributes_say() {
    let definition = crate::host::define(&[crate::quest::Entry::of::<Walk>()]).expect("valid").remove(0);
    assert_eq!((definition.name.as_str(), definition.version), ("walk", 2));
    assert_eq!(definition.description, "Walks until the goal.");
    assert_eq!(definition.actions["step"], ["stepped", "jumped"]);
    assert_eq!(
        definition.actions.keys().collect::<Vec<_>>(),
        ["aim-at", "boom", "dealloc", "flaky", "parse", "rest", "step"]
    );
    assert_eq!(
        (definition.queries, definition.add_on),
        (vec!["left".to_owned(), "cheat".into()], vec!["joined".into()])
    );
    assert_eq!(Walk::default().helper(), 0);
}

#[test]
fn events_variables_and_timers() {
    let mut world = World::of::<Walk>();
    world.send(USER, "joined", ()).send(USER, "stepped", step(30)).send(USER, "jumped", step(2));
    assert_eq!(world.variable::<u64>(USER, "walk", "metres"), Some(32));
    assert_eq!(world.variable::<Vec<Step>>(USER, "walk", "log"), Some(vec![step(30), step(2)]));
    assert_eq!(world.variable::<u64>(USER, "walk", "goal"), Some(100), "the default is stored");
    assert_eq!(world.variable::<u64>(USER, "walk", "scratch"), None);
    assert_eq!(world.timers(USER).len(), 1);
    world.advance(minutes(5) - Duration::from_millis(1));
    assert!(world.messages().is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.messages()[0].payload::<Step>(), Step { metres: 32, by: None });
    assert_eq!(world.logs()[1].message, "32 of 100");
    world.remove(USER, "walk");
    assert_eq!(world.topics(), ["rested", "left"]);
    assert!(!world.is_active(USER, "walk"));
}

#[test]
fn calls_and_queries() {
    let mut world = World::of::<Walk>();
    world.add(USER, "walk");
    assert_eq!(world.call::<u64>(USER, "walk", "aim-at", 250), Ok(100));
    assert_eq!(world.query::<u64>(USER, "walk", "left", ()), Ok(250));
    let code = |result: Result<u64, quest_sdk::test::Failed>| result.expect_err("refused").code;
    assert_eq!(code(world.call(USER, "walk", "aim-at", 0)), "no-goal");
    assert_eq!(code(world.call(USER, "walk", "aim-at", "far")), "invalid-payload");
    assert_eq!(code(world.call(USER, "walk", "parse", "x")), "failed");
    assert_eq!(code(world.call(USER, "walk", "helper", ())), "unknown-action");
    assert_eq!(code(world.query(USER, "walk", "cheat", ())), "read-only");
    assert_eq!(code(world.query(USER, "walk", "step", ())), "unknown-query");
    assert_eq!(code(world.query("nobody", "walk", "left", ())), "not-active");
    assert_eq!(world.variable::<u64>(USER, "walk", "goal"), Some(250), "a failed action changes nothing");
}

#[test]
fn failures() {
    let mut world = World::of::<Walk>();
    world.add(USER, "walk").send_to(USER, "walk", "flaky", ());
    assert_eq!(world.variable::<u64>(USER, "walk", "metres"), Some(0));
    world.advance(minutes(10));
    assert_eq!(
        world.variable::<u64>(USER, "walk", "metres"),
        Some(1),
        "the third try succeeds, the first two left nothing"
    );
    world.send_to(USER, "walk", "boom", ());
    assert_eq!((world.dead()[0].code.as_str(), world.dead()[0].message.as_str()), ("trap", "panicked: at 2"));
    assert_eq!(world.variable::<u64>(USER, "walk", "metres"), Some(1));
}

#[derive(Variables, Default)]
struct Old {
    count: u32,
}

#[quest(name = "grown")]
impl Old {
    #[action(on = "tick")]
    fn tick(&mut self) {
        self.count += 1;
    }
}

#[derive(Variables, Default)]
struct Grown {
    total: u64,
    from: u32,
}

#[quest(name = "grown", version = 3)]
impl Grown {
    fn upgrade(&mut self, cx: &Context, from: u32) -> Result {
        self.total = cx.variables().get::<u64>("count")?.unwrap_or_default() * 10;
        cx.variables().remove("count")?;
        self.from = from;
        Ok(())
    }

    #[action(on = "tick")]
    fn tick(&mut self) {
        self.total += 1;
    }
}

#[test]
fn upgrades() {
    let mut world = World::of::<Old>();
    world.add(USER, "grown").send(USER, "tick", ()).send(USER, "tick", ());
    world.replace::<Grown>().send(USER, "tick", ());
    assert_eq!(world.variable::<u64>(USER, "grown", "total"), Some(21));
    assert_eq!(world.variable::<u64>(USER, "grown", "from"), Some(1));
    assert_eq!(world.variable::<u64>(USER, "grown", "count"), None);
}

#[derive(Variables, Default)]
struct Hub {}

#[quest(add_on = ["joined"])]
impl Hub {
    fn init(&self, cx: &Context) -> Result {
        cx.variables().set("tag", cx.config("tag").unwrap_or_default())?;
        cx.variables().set("drawn", cx.random().below(6))
    }

    #[action(on = ["spread"])]
    fn spread(&self, cx: &Context) -> Result {
        cx.broadcast("news", cx.context())?;
        cx.emit_to("hall", "joined", ())?;
        cx.send("hall", "hub", "greet", "hi")
    }

    #[action(on = ["news"])]
    fn hear(&self, cx: &Context, from: String) -> Result {
        cx.variables().set("heard", from)
    }

    #[action]
    fn greet(&self, cx: &Context, word: String) -> Result {
        cx.log().warn(word);
        cx.remove_quest("hub")
    }
}

#[test]
fn other_contexts() {
    let mut world = World::of::<Hub>();
    world.configure("hub", "tag", "blue").send("a", "joined", ()).send("b", "joined", ()).send("a", "spread", ());
    assert_eq!(world.variable::<String>("a", "hub", "tag").as_deref(), Some("blue"));
    for context in ["a", "b"] {
        assert_eq!(world.variable::<String>(context, "hub", "heard").as_deref(), Some("a"), "{context}");
        assert!(world.variable::<u32>(context, "hub", "drawn").is_some_and(|drawn| drawn < 6));
    }
    assert_eq!(world.quests("hall"), Vec::<String>::new());
    assert_eq!(
        world.logs().last().map(|line| (line.level, line.message.as_str())),
        Some((quest_sdk::Level::Warn, "hi"))
    );
    assert!(world.dead().is_empty());
}

#[derive(Variables, Default)]
struct Habit {
    rung: u64,
    missed: u64,
}

/// Rings every morning, and whenever it was told to.
#[quest]
impl Habit {
    #[action(every = ["every day at 07:00", "sundays at 20:00; zone Asia/Tokyo"])]
    fn ring(&mut self, cx: &Context) {
        assert_eq!(cx.cause(), Cause::Timer);
        self.rung += 1;
        self.missed += cx.missed();
    }

    #[action(on = ["plan"])]
    fn plan(&mut self, cx: &Context, schedule: String) -> Result {
        cx.timers().every_with("planned", &schedule, "ring", 7)
    }

    #[query]
    fn planned(&self, cx: &Context) -> Result<(Option<u64>, Option<String>, String)> {
        let timers = cx.timers();
        let at = timers.due("planned").map(|due| cx.clock().local(due)).unwrap_or_default();
        Ok((timers.payload("planned")?, timers.schedule("planned"), at))
    }
}

#[test]
fn recurrences_are_declared_and_set() {
    let mut world = World::of::<Habit>();
    world.add(USER, "habit");
    let names: Vec<String> = world.timers(USER).into_iter().map(|timer| timer.name).collect();
    assert_eq!(names, ["ring", "ring-2"]);
    world.advance(crate::days(7));
    assert_eq!(world.variable::<u64>(USER, "habit", "rung"), Some(8));
    world.send(USER, "plan", "every 6 hours; count 2").advance(crate::days(1));
    assert_eq!(world.variable::<u64>(USER, "habit", "rung"), Some(11), "twice, and once in the morning");
    world.send(USER, "plan", "every 6 fortnights");
    assert_eq!(world.dead()[0].code, "invalid-schedule");
    world.send(USER, "plan", "every day at noon");
    let (payload, schedule, at): (Option<u64>, Option<String>, String) =
        world.query(USER, "habit", "planned", ()).expect("an answer");
    assert_eq!((payload, schedule.as_deref()), (Some(7), Some("every day at noon")));
    assert!(at.contains("T12:00:00.000Z[UTC]"), "{at}");
}

const AFTER_A_WALK: &str = "\
user-1 at 2026-03-29 03:00:00 Europe/Berlin
quests
  hub
    drawn = 0
    heard = \"user-1\"
    tag = \"\"
  walk (version 2)
    goal = 100
    log = [{\"metres\":0,\"by\":\"foot\"},{\"metres\":3,\"by\":\"foot\"}]
    metres = 3
    waits until 2026-03-29 03:00:00.685: transient: not yet
timers
  walk.rest → rest at 2026-03-29 03:05:00 3
events
  hub.spread: broadcast news \"user-1\"
  hub.spread: event joined to hall
  hub.spread: send hub.greet to hall \"hi\"
messages
  rested {\"metres\":0,\"by\":null}
dead
  walk.boom trap: panicked: at 1
log
  walk: 0 of 100
  walk: error: panicked: at 1
  walk: 3 of 100";

#[test]
fn a_context_as_text() {
    let mut world = world![Walk, Hub];
    world.show_in("Europe/Berlin").advance_to("2026-03-29 01:54").send(USER, "joined", ());
    world.send(USER, "stepped", step(0)).send_to(USER, "walk", "boom", ()).advance(minutes(6));
    world.send(USER, "stepped", step(3)).send_to(USER, "walk", "flaky", ()).send(USER, "spread", ());
    assert_eq!(world.snapshot(USER).to_string(), AFTER_A_WALK);
    assert_eq!(format!("{:?}", world.snapshot(USER)), AFTER_A_WALK);
    let events = world.events();
    assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["news", "joined", ""]);
    assert_eq!((events[0].payload::<String>(), events[0].context.as_str()), (USER.to_owned(), ""));
    assert_eq!(events[2].selector, Some(("hub".to_owned(), "greet".to_owned())));
    world.advance_to(world.now());
}

const A_TIMELINE: &str = "\
2026-01-01 00:00:00  user-1  ← add grown
2026-01-01 00:00:00  user-1  lifecycle → grown.init  added
    grown.count = 0
2026-01-01 00:00:00  user-1  ← send tick
2026-01-01 00:00:00  user-1  tick → grown.tick  done
    grown.count = 1
2026-01-01 00:00:00  user-1  ← send other 7
2026-01-01 00:00:00  user-1  other  ignored: nobody-is-on-it
2026-01-01 00:00:00  user-1  ← send tick
2026-01-01 00:00:00  user-1  tick → grown.tick  done
    grown.count removed
    grown.from = 1
    grown.total = 11
2026-01-01 00:00:00  user-1  ← remove grown
2026-01-01 00:00:00  user-1  lifecycle → grown  removed
";

#[test]
fn a_timeline() {
    let mut world = World::of::<Old>();
    world.add(USER, "grown").send(USER, "tick", ()).send(USER, "other", 7);
    world.replace::<Grown>().send(USER, "tick", ()).remove(USER, "grown");
    assert_eq!(world.timeline(), A_TIMELINE);
}
