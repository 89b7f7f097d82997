use proptest::prelude::*;

use super::*;
use crate::casefile::pipeline::frozen::tools;

fn error(text: &str) -> String {
    parse(text, Purpose::Case).unwrap_err().to_string()
}

#[test]
fn an_unknown_step_is_named_with_its_line_and_the_nearest() {
    let text = "name: x\nsteps:\n  - gray\n  - sharpn: {amount: 1}\n  - equalise\n";
    assert_eq!(
        error(text),
        "line 4: unknown step `sharpn`; did you mean `sharpen`?; steps are crop, rotate, deskew, \
         perspective, resize, gray, levels, gamma, stretch, equalize, denoise, sharpen, binarize, \
         redact, regions"
    );
    let text = "name: x\nsteps:\n  - gray\n  - equalise\n";
    assert!(error(text).starts_with("line 4: unknown step `equalise`; did you mean `equalize`?"));
    let text = "name: x\nsteps:\n  - inpaint\n";
    assert!(error(text).starts_with("line 3: unknown step `inpaint`; steps are"));
}

#[test]
fn an_unknown_parameter_or_word_is_named_with_its_line_and_the_nearest() {
    let text = "name: x\nsteps:\n  - resize:\n      factor: 2\n      fliter: bicubic\n";
    assert_eq!(
        error(text),
        "line 5: unknown parameter `fliter`; did you mean `filter`?; known are factor, width, height, \
         filter"
    );
    let text = "name: x\nsteps:\n  - resize:\n      factor: 2\n      filter: bicubik\n";
    assert_eq!(
        error(text),
        "line 5: unknown value `bicubik`; did you mean `bicubic`?; known are nearest, bilinear, \
         bicubic"
    );
    let text = "name: x\nsteps:\n  - gray: {x: 1}\n";
    assert_eq!(error(text), "line 3: unknown parameter `x`; known are none");
    let text = "nmae: x\nsteps: []\n";
    assert!(error(text).starts_with("line 1: unknown parameter `nmae`; did you mean `name`?"));
}

#[test]
fn missing_and_senseless_parameters_are_named_with_their_line() {
    let text = "name: x\nsteps:\n  - gray\n  - crop: {x: 1, y: 2, width: 3}\n";
    assert_eq!(error(text), "line 4: `height` is missing");
    let text = "name: x\nsteps:\n  - gray\n  - crop\n";
    assert_eq!(error(text), "line 4: `x` is missing");
    let text = "name: x\nsteps:\n\n  - resize: {factor: 9}\n";
    assert_eq!(
        error(text),
        "line 4: resize: `factor` is 9; it must lie within 0.015625 to 4"
    );
    let senseless = [
        ("rotate: {degrees: .nan}", "`degrees` is NaN"),
        ("gamma: {gamma: .inf}", "`gamma` is inf"),
        ("gamma: {gamma: 0}", "`gamma` is 0"),
        ("levels: {black: 9, white: 9}", "`black` must be below"),
        ("resize", "give `factor`"),
        ("resize: {factor: 2, width: 4}", "exclude each other"),
        ("denoise: {sigma_value: 3}", "belong to `method: bilateral`"),
        ("binarize: {radius: 3}", "belong to `method: adaptive`"),
        ("regions: {kinds: []}", "names no kind"),
        (
            "regions: {cut: {x: 1, y: 1, width: 1, height: 1}}",
            "written by a run",
        ),
        (
            "crop: {x: 0, y: 0, width: 0, height: 4}",
            "must be 1 or more",
        ),
        (
            "perspective: {points: [[0, 0], [0, 9], [9, 9], [9, 0]]}",
            "clockwise",
        ),
        (
            "perspective: {points: [[0, 0], [9, 0], [1, 1], [0, 9]]}",
            "convex",
        ),
        (
            "perspective: {points: [[0, 0], [9, 0], [9, 9], [0, 9]], width: 37}",
            "1 to 36",
        ),
    ];
    for (step, expected) in senseless {
        let told = error(&format!("name: x\nsteps:\n  - {step}\n"));
        assert!(told.starts_with("line 3: "), "{step}: {told}");
        assert!(told.contains(expected), "{step}: {told}");
    }
}

#[test]
fn shapes_that_are_no_pipeline_are_refused_with_their_line() {
    for (text, line) in [
        ("name: x\nsteps:\n  - gray\n  - 7\n", 4),
        ("name: x\nsteps:\n  - gray\n  - {gray: {}, crop: {}}\n", 4),
        ("name: x\nsteps:\n  - levels: {black: 300}\n", 3),
        (
            "name: x\nsteps:\n  - crop: {x: -1, y: 0, width: 1, height: 1}\n",
            3,
        ),
        (
            "name: x\nsteps:\n  - crop: {x: 1.5, y: 0, width: 1, height: 1}\n",
            3,
        ),
        ("name: x\nsteps:\n  - gray: {\n", 3),
        ("name: x\nname: y\nsteps: []\n", 2),
    ] {
        let told = error(text);
        let found = told
            .strip_prefix("line ")
            .and_then(|rest| rest.split(':').next());
        let found: u64 = found.unwrap().parse().unwrap();
        assert!((line..=line + 1).contains(&found), "{text:?}: {told}");
    }
    assert!(error("name: x\n").contains("`steps` is missing"));
    assert!(error("name: Über\nsteps: []\n").contains("name"));
    assert!(error("format: 2\nname: x\nsteps: []\n").contains("format 2"));
    assert!(error(&"#".repeat(70_000)).contains("70000 bytes"));
    let many = format!("name: x\nsteps:\n{}", "  - gray\n".repeat(100));
    assert!(error(&many).contains("100 steps"));
}

#[test]
fn redact_is_refused_in_a_case_and_taken_for_an_export() {
    let text =
        "name: x\nsteps:\n  - gray\n  - redact: {areas: [{x: 0, y: 0, width: 2, height: 2}]}\n";
    let told = error(text);
    assert!(
        told.starts_with("line 4: `redact` is for copies that are given away"),
        "{told}"
    );
    assert_eq!(
        parse(text, Purpose::Export).unwrap().steps[1].name(),
        "redact"
    );
}

#[test]
fn a_frozen_text_holds_every_default_and_the_tools() {
    let text = "steps:\n- resize: {factor: 2}\n- {binarize: {method: adaptive}}\n- deskew:\n\
                - perspective: {points: [[0,0],[30,0],[30,40.0],[0,40]]}\n- regions\nname: small\n";
    let frozen = parse(text, Purpose::Case).unwrap().freeze();
    let nightjar = env!("CARGO_PKG_VERSION");
    assert_eq!(
        frozen.text,
        format!(
            r#"format: 1
name: "small"
tools:
  jpeg: "jpeg-decoder 0.3.2"
  nightjar: "{nightjar}"
steps:
  - resize: {{"factor":2.0,"filter":"bicubic"}}
  - binarize: {{"method":"adaptive","radius":15,"offset":7}}
  - deskew: {{"max_degrees":15.0,"filter":"bilinear"}}
  - perspective: {{"points":[[0.0,0.0],[30.0,0.0],[30.0,40.0],[0.0,40.0]],"width":30,"height":40,"filter":"bilinear"}}
  - regions: {{"kinds":["plate","face","parcel","text","person","vehicle","animal","other"],"margin":0}}
"#
        )
    );
}

#[test]
fn the_same_pipeline_written_differently_has_the_same_hash() {
    let one = "name: same\nsteps:\n  - sharpen: {amount: 1.0, sigma: 1}\n  - gray\n";
    let other = "# twice\n\"name\": 'same'\nsteps: [sharpen, {gray: }]\n";
    let frozen = |text| parse(text, Purpose::Case).unwrap().freeze();
    assert_eq!(frozen(one), frozen(other));
    let another = "name: same\nsteps:\n  - sharpen: {amount: 1.1}\n  - gray\n";
    assert_ne!(frozen(one).sha256, frozen(another).sha256);
    let swapped = "name: same\nsteps:\n  - gray\n  - sharpen\n";
    assert_ne!(frozen(one).sha256, frozen(swapped).sha256);
}

#[test]
fn what_was_frozen_with_other_tools_is_told() {
    let text = "format: 1\nname: x\ntools: {jpeg: \"other 9\", gone: \"1\"}\nsteps: []\n";
    let old = parse(text, Purpose::Case).unwrap();
    let version = &tools()["nightjar"];
    assert_eq!(
        old.foreign_tools(),
        [
            "gone: frozen with 1, this is nothing".to_owned(),
            "jpeg: frozen with other 9, this is jpeg-decoder 0.3.2".to_owned(),
            format!("nightjar: frozen with nothing, this is {version}"),
        ]
    );
}

#[test]
fn presets_parse_for_a_case_and_are_called_as_they_are_named() {
    for preset in Preset::ALL {
        let pipeline = parse(preset.yaml(), Purpose::Case).unwrap();
        assert_eq!(pipeline.name, preset.name());
        assert_eq!(Preset::named(preset.name()), Some(preset));
        let again = parse(&pipeline.freeze().text, Purpose::Case).unwrap();
        assert_eq!(again.freeze(), pipeline.freeze());
        for variant in preset.variants() {
            assert!(
                parse(variant, Purpose::Case)
                    .unwrap()
                    .name
                    .starts_with("read-")
            );
        }
    }
    assert!(Preset::Plate.variants().len() >= 5);
    assert_eq!(Preset::named("plates"), None);
}

/// Every step with what it needs to be read.
const LEAST: [&str; 15] = [
    "crop: {x: 0, y: 0, width: 1, height: 1}",
    "rotate: {degrees: 1}",
    "deskew",
    "perspective: {points: [[0, 0], [9, 0], [9, 9], [0, 9]]}",
    "resize: {factor: 2}",
    "gray",
    "levels",
    "gamma: {gamma: 2}",
    "stretch",
    "equalize",
    "denoise: {method: bilateral}",
    "sharpen",
    "binarize: {method: adaptive}",
    "redact: {areas: [{x: 0, y: 0, width: 1, height: 1}]}",
    "regions",
];

#[test]
fn the_page_on_pictures_lists_every_step_with_its_grade_and_parameters() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures.md");
    let page = std::fs::read_to_string(page).unwrap();
    let steps = pipeline(&LEAST.join(" | ")).steps;
    let names: Vec<_> = steps.iter().map(Step::name).collect();
    assert_eq!(names, Step::NAMES);
    for step in steps {
        let head = format!("| `{}` | {} |", step.name(), step.grade().name());
        let row = page.lines().find(|line| line.starts_with(&head));
        let row = row.unwrap_or_else(|| panic!("no row {head}"));
        let parameters: serde_json::Value = serde_json::from_str(&step.params_json()).unwrap();
        for name in parameters.as_object().unwrap().keys() {
            assert!(row.contains(&format!("`{name}`")), "{head}: {name}");
        }
    }
}

/// Pieces of pipelines in any order, so that chance comes far.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "name: x\n",
            "steps:\n",
            "steps: [",
            "  - ",
            "- ",
            "gray",
            "gray\n",
            "crop",
            ": ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            "x: 1",
            "width",
            "&a ",
            "*a",
            "<<: *a",
            "|\n",
            "? ",
            "!!str ",
            "~",
            "\n",
            "\"",
            "'",
            "# ",
            "---\n",
            "...\n",
            "\t",
            "regions: {kinds: [plate]}",
            "-1",
            "1e999",
            ".nan",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_pipeline_or_an_error(text in any_text()) {
        match parse(&text, Purpose::Export) {
            Ok(pipeline) => {
                let frozen = pipeline.freeze();
                let again = parse(&frozen.text, Purpose::Export).unwrap();
                prop_assert_eq!(again.freeze(), frozen);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_preset_with_harm_is_a_pipeline_or_an_error(
        preset in proptest::sample::select(Preset::ALL.to_vec()),
        at in any::<prop::sample::Index>(), letter in any::<char>(),
    ) {
        let mut text = preset.yaml().to_owned();
        let at = at.index(text.len());
        prop_assume!(text.is_char_boundary(at));
        text.insert(at, letter);
        if let Ok(pipeline) = parse(&text, Purpose::Case) {
            prop_assert!(pipeline.steps.len() <= 9);
        }
    }
}
