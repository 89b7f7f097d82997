//! Who is at home, and what the household is as a whole.
//!
//! A phone that leaves says nothing, so silence is the only sign of leaving: a member goes away when
//! no report of being at home came for a while. One that says `AWAY` is away at once, which its
//! state tells already.
//!
//! A report from the future (the clock was set back) keeps its member at home until the clock has
//! caught up: whoever is wrongly taken for absent would arm the house around themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::clock::{MINUTE_NS, UnixNanos};

/// Silence after which a member is away, unless configured: long enough for a phone that sleeps.
pub const AWAY_AFTER_NS: i64 = 10 * MINUTE_NS;

/// What the household is, from the lowest to the highest; of two that fit the higher one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HouseholdState {
    /// Nobody is at home.
    Empty,
    /// At least one child is at home, and no adult.
    KidsHome,
    /// At least one adult is at home, and not everybody.
    AdultsHome,
    /// Everybody is at home, and there is somebody.
    AllHome,
}

impl HouseholdState {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::KidsHome => "KIDS_HOME",
            Self::AdultsHome => "ADULTS_HOME",
            Self::AllHome => "ALL_HOME",
        }
    }
}

impl fmt::Display for HouseholdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a member counts as an adult.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May be left alone.
    #[default]
    Adult,
    /// Is better not alone at home.
    Child,
}

impl Role {
    /// The role with this name; one that is not told, or that nobody knows, counts as adult.
    pub fn from_report(name: Option<&str>) -> Self {
        match name {
            Some(name) if name.trim().eq_ignore_ascii_case("child") => Self::Child,
            _ => Self::Adult,
        }
    }
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Presence {
    /// At home.
    Home,
    /// Elsewhere, wherever that is.
    Away,
}

impl Presence {
    /// What a report says: `HOME`, or else a place that is not at home.
    pub fn from_report(state: &str) -> Self {
        if state.trim().eq_ignore_ascii_case("HOME") {
            Self::Home
        } else {
            Self::Away
        }
    }

    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "HOME",
            Self::Away => "AWAY",
        }
    }
}

/// One member, as last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What they are called on the bus.
    pub name: String,
    /// Adult or child.
    pub role: Role,
    /// Where they were told to be.
    pub presence: Presence,
    /// When they were last told to be at home.
    pub last_home_at: Option<UnixNanos>,
}

impl Member {
    /// When silence makes them away; `None` when they are away already.
    fn leaves_at(&self, away_after_ns: i64) -> Option<UnixNanos> {
        match self.presence {
            Presence::Away => None,
            // At home without a report that says so: that silence has no beginning.
            Presence::Home => Some(self.last_home_at.map_or(UnixNanos::MIN, |last| {
                last.saturating_add(away_after_ns.max(0))
            })),
        }
    }
}

/// The household at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Household {
    /// What it is, with those who left counted as away.
    pub state: HouseholdState,
    /// Members to be set away, in the order in which they were given.
    pub departed: Vec<Departure>,
    /// When the next member goes away if nothing is heard; `None` when nobody is at home.
    pub next_due_at: Option<UnixNanos>,
}

/// A member whom silence has made away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Whom.
    pub name: String,
    /// When their time was over: at most now.
    pub at: UnixNanos,
}

/// The household that `members` make at `now`, each at home for `away_after_ns` since the last
/// report that said so.
pub fn household(members: &[Member], away_after_ns: i64, now: UnixNanos) -> Household {
    let mut departed = Vec::new();
    let mut next_due_at = None;
    let (mut adults, mut children) = (0, 0);
    for member in members {
        let Some(at) = member.leaves_at(away_after_ns) else {
            continue;
        };
        if at <= now {
            departed.push(Departure {
                name: member.name.clone(),
                at: if at == UnixNanos::MIN { now } else { at },
            });
            continue;
        }
        next_due_at = Some(next_due_at.map_or(at, |due: UnixNanos| due.min(at)));
        match member.role {
            Role::Adult => adults += 1,
            Role::Child => children += 1,
        }
    }
    let state = if adults + children == 0 {
        HouseholdState::Empty
    } else if adults + children == members.len() {
        HouseholdState::AllHome
    } else if adults > 0 {
        HouseholdState::AdultsHome
    } else {
        HouseholdState::KidsHome
    };
    Household {
        state,
        departed,
        next_due_at,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixNanos = 1_795_000_000 * 1_000_000_000;

    fn member(name: &str, role: Role, minutes_ago: Option<i64>) -> Member {
        Member {
            name: name.into(),
            role,
            presence: if minutes_ago.is_some() {
                Presence::Home
            } else {
                Presence::Away
            },
            last_home_at: minutes_ago.map(|minutes| NOW - minutes * MINUTE_NS),
        }
    }

    fn state(members: &[(Role, bool)]) -> &'static str {
        let members: Vec<_> = members
            .iter()
            .map(|(role, home)| member("somebody", *role, home.then_some(0)))
            .collect();
        household(&members, AWAY_AFTER_NS, NOW).state.name()
    }

    #[test]
    fn the_highest_state_that_fits_holds() {
        use Role::{Adult, Child};
        for (members, expected) in [
            (&[][..], "EMPTY"),
            (&[(Adult, false)], "EMPTY"),
            (&[(Adult, false), (Child, false)], "EMPTY"),
            (&[(Adult, false), (Child, true)], "KIDS_HOME"),
            (&[(Adult, false), (Child, true), (Child, true)], "KIDS_HOME"),
            (&[(Child, false), (Child, true)], "KIDS_HOME"),
            (&[(Adult, true), (Child, false)], "ADULTS_HOME"),
            (&[(Adult, true), (Adult, false)], "ADULTS_HOME"),
            (
                &[(Adult, true), (Adult, false), (Child, true)],
                "ADULTS_HOME",
            ),
            (&[(Adult, true)], "ALL_HOME"),
            (&[(Adult, true), (Child, true)], "ALL_HOME"),
            (&[(Child, true), (Child, true)], "ALL_HOME"),
        ] {
            assert_eq!(state(members), expected, "{members:?}");
        }
        assert!(HouseholdState::AllHome > HouseholdState::AdultsHome);
        assert!(HouseholdState::AdultsHome > HouseholdState::KidsHome);
        assert!(HouseholdState::KidsHome > HouseholdState::Empty);
    }

    #[test]
    fn ten_minutes_of_silence_make_a_member_away() {
        let members = [
            member("mara", Role::Adult, Some(10)),
            member("ivo", Role::Child, Some(9)),
            member("tove", Role::Adult, None),
        ];
        let found = household(&members, AWAY_AFTER_NS, NOW);
        assert_eq!(found.state, HouseholdState::KidsHome);
        assert_eq!(
            found.departed,
            [Departure {
                name: "mara".into(),
                at: NOW
            }]
        );
        assert_eq!(found.next_due_at, Some(NOW + MINUTE_NS));

        let before = household(&members, AWAY_AFTER_NS, NOW - 1);
        assert_eq!(before.state, HouseholdState::AdultsHome);
        assert_eq!((before.departed, before.next_due_at), (vec![], Some(NOW)));

        // After a day without power all leave at the time when they were due.
        let later = household(&members, AWAY_AFTER_NS, NOW + 1_440 * MINUTE_NS);
        let at: Vec<_> = later.departed.iter().map(|member| member.at).collect();
        assert_eq!(at, [NOW, NOW + MINUTE_NS]);
        assert_eq!(
            (later.state, later.next_due_at),
            (HouseholdState::Empty, None)
        );
    }

    #[test]
    fn a_member_at_home_without_a_report_leaves_now() {
        let mut mara = member("mara", Role::Adult, Some(0));
        mara.last_home_at = None;
        let found = household(&[mara], AWAY_AFTER_NS, NOW);
        assert_eq!(found.departed[0].at, NOW);
        assert_eq!(found.state, HouseholdState::Empty);
    }

    #[test]
    fn reports_are_read_as_people_send_them() {
        for (text, role) in [
            (Some("child"), Role::Child),
            (Some("Child"), Role::Child),
            (Some("adult"), Role::Adult),
            (Some("guest"), Role::Adult),
            (None, Role::Adult),
        ] {
            assert_eq!(Role::from_report(text), role, "{text:?}");
        }
        for (text, presence) in [
            ("HOME", Presence::Home),
            ("home", Presence::Home),
            ("AWAY", Presence::Away),
            ("WORK", Presence::Away),
        ] {
            assert_eq!(Presence::from_report(text), presence, "{text}");
        }
        assert_eq!(HouseholdState::KidsHome.to_string(), "KIDS_HOME");
        assert_eq!(
            serde_json::to_string(&HouseholdState::AllHome).unwrap(),
            "\"ALL_HOME\""
        );
    }

    proptest! {
        #[test]
        fn after_those_who_left_are_set_away_nothing_more_is_due_until_the_next_due_time(
            members in proptest::collection::vec((any::<bool>(), proptest::option::of(-5..30_i64)), 0..6),
            away_after_min in 0..20_i64,
        ) {
            let mut members: Vec<_> = members.into_iter().enumerate().map(|(index, (child, ago))| {
                let role = if child { Role::Child } else { Role::Adult };
                member(&index.to_string(), role, ago)
            }).collect();
            let away_after_ns = away_after_min * MINUTE_NS;
            let first = household(&members, away_after_ns, NOW);
            for member in &mut members {
                if first.departed.iter().any(|gone| gone.name == member.name) {
                    member.presence = Presence::Away;
                }
            }
            let quiet = household(&members, away_after_ns, NOW);
            prop_assert!(quiet.departed.is_empty());
            prop_assert_eq!(quiet.state, first.state);
            if let Some(due) = first.next_due_at {
                prop_assert!(due > NOW);
                prop_assert!(household(&members, away_after_ns, due - 1).departed.is_empty());
                prop_assert!(!household(&members, away_after_ns, due).departed.is_empty());
            } else {
                prop_assert_eq!(quiet.state, HouseholdState::Empty);
            }
        }
    }
}
