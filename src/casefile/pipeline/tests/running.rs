use std::sync::Arc;

use super::*;
use crate::casefile::pipeline::run::{REGIONS_MAX, RegionsError};

fn region(label: &str, kind: Kind, [x, y, width, height]: [u32; 4]) -> Region {
    Region {
        label: label.parse().unwrap(),
        kind,
        area: Area {
            x,
            y,
            width,
            height,
        },
    }
}

fn regions() -> Vec<Region> {
    vec![
        region("B", Kind::Face, [30, 5, 8, 8]),
        region("A.10", Kind::Plate, [1, 1, 4, 3]),
        region("A", Kind::Plate, [2, 3, 20, 10]),
        region("A.2", Kind::Plate, [0, 0, 2, 2]),
        region("C", Kind::Plate, [40, 20, 10, 12]),
    ]
}

fn run(steps: &str, regions: &[Region], start: Start) -> Vec<Result<Output, RunError>> {
    let image = Arc::new(picture("input/gray.png"));
    let pipeline = pipeline(steps);
    Run::new(&pipeline, image, regions, start)
        .unwrap()
        .collect()
}

/// `step_idx name parent path label size`, one per output.
fn told(outputs: &[Result<Output, RunError>]) -> Vec<String> {
    let label = |label: &Option<Label>| label.as_ref().map_or("-".to_owned(), Label::to_string);
    outputs
        .iter()
        .map(|output| match output {
            Ok(output) => format!(
                "{} {} {} {} {} {}x{}{}",
                output.step_idx,
                output.step.name(),
                output
                    .parent
                    .map_or("root".to_owned(), |parent| parent.to_string()),
                label(&output.branch_path),
                label(&output.branch_label),
                output.image.width(),
                output.image.height(),
                if output.is_last { " last" } else { "" },
            ),
            Err(error) => error.to_string(),
        })
        .collect()
}

#[test]
fn a_branch_point_gives_one_branch_per_region_depth_first_in_the_order_of_labels() {
    let outputs = run(
        "levels | regions: {kinds: [plate]} | resize: {factor: 2} | regions | gray",
        &regions(),
        Start::default(),
    );
    assert_eq!(
        told(&outputs),
        [
            "1 levels root - - 53x40",
            "2 regions 0 A A 20x10",
            "3 resize 1 A - 40x20",
            "4 regions 2 A.2 A.2 2x2",
            "5 gray 3 A.2 - 2x2 last",
            "4 regions 2 A.10 A.10 4x3",
            "5 gray 5 A.10 - 4x3 last",
            "2 regions 0 C C 10x12",
            "3 resize 7 C - 20x24",
            "4 regions 8 C - 20x24",
            "5 gray 9 C - 20x24 last",
        ]
    );
    for (at, output) in outputs.iter().enumerate() {
        assert_eq!(output.as_ref().unwrap().ordinal, at);
    }
}

#[test]
fn where_no_region_is_the_whole_picture_goes_on() {
    let outputs = run("regions | gray", &[], Start::default());
    assert_eq!(
        told(&outputs),
        ["1 regions root - - 53x40", "2 gray 0 - - 53x40 last"]
    );
}

#[test]
fn every_output_can_be_repeated_from_what_it_records() {
    let steps = "stretch | regions: {margin: 3} | deskew | denoise | binarize";
    let root = Arc::new(picture("input/gray.png"));
    let outputs: Vec<_> = run(steps, &regions(), Start::default())
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(outputs.len(), 1 + 3 * 4);
    for output in &outputs {
        let before = output.parent.map_or(&root, |parent| &outputs[parent].image);
        let step = Step::recorded(output.step.name(), &output.step.params_json()).unwrap();
        let again = step.apply(before).unwrap();
        assert_eq!(again.image.pixel_sha256(), output.image.pixel_sha256());
        assert_eq!(again.findings, output.findings);
    }
    let Step::Regions(cut) = &outputs[1].step else {
        panic!("no branch point")
    };
    // The margin ends at the border.
    assert_eq!(cut.cut.unwrap().to_string(), "the rectangle 0,0,25,16");
}

#[test]
fn working_on_from_a_node_gives_what_the_whole_run_gave() {
    let steps = "stretch | regions | resize: {factor: 2} | regions | equalize";
    let whole = run(steps, &regions(), Start::default());
    let whole: Vec<_> = whole.into_iter().map(Result::unwrap).collect();
    let pipeline = pipeline(steps);
    for node in &whole {
        let start = Start {
            step_idx: node.step_idx,
            branch_path: node.branch_path.clone(),
        };
        let again = Run::new(&pipeline, Arc::clone(&node.image), &regions(), start).unwrap();
        let again: Vec<_> = again
            .map(|output| output.unwrap().image.pixel_sha256())
            .collect();
        let below: Vec<_> = whole
            .iter()
            .filter(|output| is_below(&whole, output, node.ordinal))
            .map(|output| output.image.pixel_sha256())
            .collect();
        assert_eq!(again, below, "from {}", node.ordinal);
    }
}

fn is_below(all: &[Output], output: &Output, ordinal: usize) -> bool {
    output
        .parent
        .is_some_and(|parent| parent == ordinal || is_below(all, &all[parent], ordinal))
}

#[test]
fn a_step_that_cannot_be_applied_ends_its_branch_alone() {
    let mut regions = regions();
    regions.push(region("D", Kind::Other, [50, 30, 9, 9]));
    let outputs = run(
        "regions | crop: {x: 0, y: 0, width: 9, height: 9}",
        &regions,
        Start::default(),
    );
    assert_eq!(
        told(&outputs),
        [
            "1 regions root A A 20x10",
            "2 crop 0 A - 9x9 last",
            "1 regions root B B 8x8",
            "step 2 (crop) of branch B: the rectangle 0,0,9,9 reaches outside of the picture of 8 × 8 \
             pixels",
            "1 regions root C C 10x12",
            "2 crop 3 C - 9x9 last",
            "step 1 (regions) of branch D: the rectangle 50,30,9,9 reaches outside of the picture of \
             53 × 40 pixels",
        ]
    );
}

#[test]
fn labels_are_read_ordered_and_bounded() {
    let mut labels: Vec<Label> = ["AA", "A.10", "B", "A.2", "A", "Z", "A.2.1"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    labels.sort();
    let told: Vec<_> = labels.iter().map(Label::to_string).collect();
    assert_eq!(told, ["A", "A.2", "A.2.1", "A.10", "B", "Z", "AA"]);
    assert_eq!(labels[2].parent().as_ref(), Some(&labels[1]));
    assert_eq!(labels[0].parent(), None);
    for wrong in [
        "",
        "a",
        "AAA",
        "A.",
        "A.0",
        "A.01",
        "A.1000",
        "A1",
        "A.1.1.1.1",
        ".1",
        "A.+1",
    ] {
        assert!(wrong.parse::<Label>().is_err(), "{wrong}");
    }
}

#[test]
fn too_many_and_twice_named_regions_are_refused() {
    let pipeline = pipeline("regions");
    let image = Arc::new(picture("input/gray.png"));
    let many: Vec<_> = (1..=REGIONS_MAX as u32 + 1)
        .map(|number| region(&format!("A.{number}"), Kind::Other, [0, 0, 1, 1]))
        .collect();
    let start = Start::default;
    let refused = Run::new(&pipeline, Arc::clone(&image), &many, start()).unwrap_err();
    assert_eq!(refused, RegionsError::TooMany(REGIONS_MAX + 1));
    let twice = [regions()[0].clone(), regions()[0].clone()];
    let refused = Run::new(&pipeline, image, &twice, start()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "two regions are called B; labels are given once"
    );
}
