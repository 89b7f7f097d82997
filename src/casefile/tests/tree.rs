//! Random lives of random trees: after every step the file keeps all its rules, and refuses exactly
//! what breaks one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::branches::Branch;
use super::super::ocr_runs::{self, Engine, OcrRun, RunStatus};
use super::super::{debug, rerun, slim, verify};
use super::*;
use crate::storage::all;

/// What somebody does; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Act {
    Original(u8),
    Grow(usize, Option<u8>, u8),
    End(usize),
    Back(usize),
    Forward(usize),
    Reset(usize),
    Trash(usize, bool),
    Delete(usize, bool),
    Request(usize),
    Finish(usize, bool),
    Rerun(usize),
    Settle(usize),
    Debug(usize, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    // Few shades: the same picture comes again, as steps that change nothing make it.
    let shade = || 0_u8..5;
    prop_oneof![
        1 => shade().prop_map(Act::Original),
        8 => (which(), prop::option::weighted(0.5, 0_u8..3), shade())
            .prop_map(|(node, label, shade)| Act::Grow(node, label, shade)),
        4 => which().prop_map(Act::End),
        3 => which().prop_map(Act::Back),
        2 => which().prop_map(Act::Forward),
        1 => which().prop_map(Act::Reset),
        1 => (which(), any::<bool>()).prop_map(|(branch, trashed)| Act::Trash(branch, trashed)),
        1 => (which(), any::<bool>()).prop_map(|(scan, deleted)| Act::Delete(scan, deleted)),
        2 => which().prop_map(Act::Request),
        2 => (which(), any::<bool>()).prop_map(|(run, well)| Act::Finish(run, well)),
        2 => which().prop_map(Act::Rerun),
        1 => which().prop_map(Act::Settle),
        1 => (which(), shade()).prop_map(|(node, shade)| Act::Debug(node, shade)),
    ]
}

const ENGINE: Engine<'_> = Engine {
    name: "tesseract",
    version: None,
    languages_json: "[]",
    params_json: "{}",
};

/// All rows that matter.
#[derive(Clone, Debug, PartialEq)]
struct State {
    scans: Vec<ScanId>,
    nodes: BTreeMap<NodeId, Node>,
    branches: Vec<Branch>,
    runs: Vec<OcrRun>,
    images: BTreeSet<i64>,
}

impl State {
    fn of(rig: &mut Rig) -> Self {
        rig.read(|session| {
            let ids = all(session, "SELECT id FROM scans ORDER BY id", &[], |row| {
                row.int(0)
            })?;
            let scans: Vec<_> = ids.into_iter().map(ScanId).collect();
            let (mut found, mut branches) = (BTreeMap::new(), Vec::new());
            for scan in &scans {
                let nodes = nodes::subtree(session, *scan)?;
                found.extend(nodes.into_iter().map(|node| (node.id, node)));
                branches.extend(branches::of_scan(session, *scan)?);
            }
            let runs = all(session, "SELECT id FROM ocr_runs ORDER BY id", &[], |row| {
                row.int(0)
            })?;
            let runs = runs
                .into_iter()
                .map(|id| ocr_runs::get(session, super::super::RunId(id)));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            let images = all(session, "SELECT id FROM images", &[], |row| row.int(0))?;
            Ok(Self {
                scans,
                nodes: found,
                branches,
                runs,
                images: images.into_iter().collect(),
            })
        })
    }

    fn node(&self, choice: usize) -> NodeId {
        *self.nodes.keys().nth(choice % self.nodes.len()).unwrap()
    }

    fn branch(&self, choice: usize) -> Option<&Branch> {
        self.branches.get(choice.checked_rem(self.branches.len())?)
    }

    fn children(&self, id: NodeId) -> Vec<&Node> {
        self.nodes
            .values()
            .filter(|node| node.parent_id == Some(id))
            .collect()
    }

    /// The node and all above it, upwards.
    fn way_up(&self, id: NodeId) -> Vec<NodeId> {
        std::iter::successors(Some(id), |id| self.nodes[id].parent_id).collect()
    }

    /// Every rule, from the rows alone.
    fn check(&self) {
        for (id, node) in &self.nodes {
            let children = self.children(*id);
            assert_eq!(node.is_leaf, children.is_empty(), "{node:?}");
            assert_eq!(node.is_branch_point, children.len() > 1, "{node:?}");
            assert_eq!(node.parent_id.is_none(), node.step_idx == 0, "{node:?}");
            assert_eq!(node.depth as usize, self.way_up(*id).len() - 1, "{node:?}");
            assert!(self.images.contains(&node.image_id.unwrap().0), "{node:?}");
            if let Some(parent) = node.parent_id {
                let above = &self.nodes[&parent];
                let expected = match &node.branch_label {
                    Some(label) => above.branch_path.child(label).unwrap(),
                    None => above.branch_path.clone(),
                };
                assert_eq!(
                    (above.scan_id, &expected),
                    (node.scan_id, &node.branch_path)
                );
            }
        }
        for scan in &self.scans {
            let roots = self
                .nodes
                .values()
                .filter(|node| node.scan_id == *scan && node.parent_id.is_none());
            assert_eq!(roots.count(), 1, "scan {scan}");
        }
        for branch in &self.branches {
            let way = self.way_up(branch.terminal_node_id);
            assert!(way.contains(&branch.chosen_node_id), "{branch:?}");
            assert_eq!(self.nodes[&branch.terminal_node_id].scan_id, branch.scan_id);
        }
        for run in &self.runs {
            let mut shown = self.branches.iter();
            let shown = shown.find(|b| b.scan_id == run.scan_id && b.path == run.path);
            let same = shown
                .is_some_and(|b| self.nodes[&b.chosen_node_id].image_sha256 == run.image_sha256);
            assert_eq!(run.is_stale, !same, "{run:?}");
        }
    }
}

/// Does one act, and says whether it was done; what must be is asserted here.
fn perform(rig: &mut Rig, before: &State, act: &Act) {
    match act {
        Act::Original(shade) => {
            rig.original(*shade);
        }
        Act::Grow(choice, label, shade) => {
            let parent = before.node(*choice);
            let label = label.map(|label| ["A", "B", "10"][usize::from(label)]);
            let fits = before.children(parent).iter().all(|child| {
                child.branch_label.is_some()
                    && label.is_some()
                    && child.branch_label.as_deref() != label
            });
            let grown = rig.grow(parent, label, *shade);
            assert_eq!(grown.is_ok(), fits, "{grown:?}");
        }
        Act::End(choice) => rig.end(before.node(*choice)),
        Act::Back(choice) | Act::Forward(choice) | Act::Reset(choice) => {
            if let Some(branch) = before.branch(*choice) {
                walk(rig, before, branch, act);
            }
        }
        Act::Trash(choice, trashed) => {
            if let Some(Branch { scan_id, path, .. }) = before.branch(*choice) {
                rig.write(|session| branches::set_trashed(session, *scan_id, path, *trashed, MARA));
            }
        }
        Act::Delete(choice, deleted) => {
            let scan = before.scans[choice % before.scans.len()];
            rig.write(|session| scans::set_deleted(session, scan, *deleted, MARA));
        }
        Act::Request(choice) => {
            if let Some(Branch { scan_id, path, .. }) = before.branch(*choice) {
                let run =
                    rig.write(|session| ocr_runs::request(session, *scan_id, path, &ENGINE, 1));
                let earlier = before
                    .runs
                    .iter()
                    .filter(|r| r.scan_id == *scan_id && r.path == *path);
                let version = rig.read(|session| ocr_runs::get(session, run)).version;
                assert_eq!(version, 1 + earlier.count() as i64);
            }
        }
        Act::Finish(choice, well) => {
            let Some(index) = choice.checked_rem(before.runs.len()) else {
                return;
            };
            let run = &before.runs[index];
            let ended = rig.case.write(|session| match well {
                true => ocr_runs::finish(session, run.id, r#"{"text":"X"}"#, 2),
                false => ocr_runs::fail(session, run.id, "no", 2),
            });
            let open = matches!(run.status, RunStatus::Pending | RunStatus::Running);
            assert_eq!(ended.is_ok(), open, "a run ends once");
        }
        Act::Rerun(choice) => again(rig, before, before.node(*choice)),
        Act::Settle(choice) => {
            let scan = before.scans[choice % before.scans.len()];
            rig.write(|session| branches::settle(session, scan));
            let after = State::of(rig);
            let waits = |b: &&Branch| before.nodes[&b.terminal_node_id].branch_path != b.path;
            let gone = |b: &&Branch| b.scan_id == scan && b.trashed_at_ms.is_none() && waits(b);
            let kept: Vec<_> = before
                .branches
                .iter()
                .filter(|b| !gone(b))
                .cloned()
                .collect();
            assert_eq!(after.branches, kept);
        }
        Act::Debug(choice, shade) => {
            let node = before.node(*choice);
            rig.write(|session| {
                let image = images::insert(session, &picture(*shade).image, NO_BOUND, 0)?;
                debug::insert(session, node, "lines", image, 0)
            });
        }
    }
}

fn walk(rig: &mut Rig, before: &State, branch: &Branch, act: &Act) {
    let (scan, path) = (branch.scan_id, &branch.path);
    let way = before.way_up(branch.terminal_node_id);
    let at = way
        .iter()
        .position(|id| *id == branch.chosen_node_id)
        .unwrap();
    let (expected, moved) = match act {
        Act::Back(_) => (
            way.get(at + 1)
                .copied()
                .filter(|above| !before.nodes[above].is_branch_point),
            rig.case
                .write(|session| branches::step_back(session, scan, path, MARA)),
        ),
        Act::Forward(_) => (
            at.checked_sub(1).map(|below| way[below]),
            rig.case
                .write(|session| branches::step_forward(session, scan, path, MARA)),
        ),
        _ => (
            Some(way[0]),
            rig.case
                .write(|session| branches::reset(session, scan, path, MARA)),
        ),
    };
    assert_eq!(moved.ok(), expected);
    let mut after = State::of(rig);
    let own = after
        .branches
        .iter_mut()
        .find(|b| b.id == branch.id)
        .unwrap();
    assert_eq!(
        own.chosen_node_id,
        expected.unwrap_or(branch.chosen_node_id)
    );
    *own = branch.clone();
    assert_eq!(after.branches, before.branches, "siblings stay as they are");
}

fn again(rig: &mut Rig, before: &State, anchor: NodeId) {
    let thrown = rig.write(|session| rerun::from_node(session, anchor, MARA));
    let after = State::of(rig);
    let below = |id: &NodeId| *id != anchor && before.way_up(*id).contains(&anchor);
    let left: Vec<_> = before
        .nodes
        .keys()
        .filter(|id| !below(id))
        .copied()
        .collect();
    assert_eq!(after.nodes.keys().copied().collect::<Vec<_>>(), left);
    assert_eq!(thrown.nodes as usize, before.nodes.len() - left.len());
    assert_eq!(
        after.images.len(),
        before.images.len() - thrown.images.len()
    );
    let orphans = slim::orphans(&mut rig.case).unwrap();
    assert!(orphans.is_empty(), "{orphans:?}");
    for (old, new) in before.branches.iter().zip(&after.branches) {
        assert_eq!((old.id, old.trashed_at_ms), (new.id, new.trashed_at_ms));
        let back = |id: NodeId| if below(&id) { anchor } else { id };
        assert_eq!(new.terminal_node_id, back(old.terminal_node_id));
        assert_eq!(new.chosen_node_id, back(old.chosen_node_id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_keeps_its_rules_whatever_happens(acts in prop::collection::vec(act(), 1..60)) {
        let mut rig = Rig::new();
        rig.original(0);
        let mut state = State::of(&mut rig);
        for act in &acts {
            perform(&mut rig, &state, act);
            state = State::of(&mut rig);
            state.check();
        }
        let findings = rig.read(verify::check);
        prop_assert_eq!(findings.problems, Vec::<String>::new());
        prop_assert_eq!(findings.images as usize, state.images.len());

        let small = rig.folder.path().join("small.agl");
        slim::slim(&rig.path(), &small, 5).unwrap();
        super::slimming::check_copy(&mut rig, &small);
    }
}
