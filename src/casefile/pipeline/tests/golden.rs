//! Every step on fixed pictures: the pixels are those of the golden file, and close to what other
//! people's programs make of them (`scripts/make-casefile-fixtures`).

use super::*;

const CASES: &[(&str, &str)] = &[
    ("color", "crop: {x: 3, y: 4, width: 40, height: 30}"),
    ("color", "rotate: {degrees: 90}"),
    ("color", "rotate: {degrees: -33.3, fill: 200}"),
    ("gray", "rotate: {degrees: 5.25, filter: bicubic}"),
    ("text", "deskew"),
    ("text", "deskew: {max_degrees: 3, filter: bicubic}"),
    (
        "color",
        "perspective: {points: [[6.5, 4], [50, 9.25], [47, 38], [3, 33.5]]}",
    ),
    (
        "text",
        "perspective: {points: [[0, 0], [140, 20], [120, 80], [10, 70]], width: 300, filter: bicubic}",
    ),
    ("color", "resize: {factor: 4}"),
    ("color", "resize: {factor: 0.4, filter: bilinear}"),
    ("gray", "resize: {height: 17, filter: nearest}"),
    ("text", "resize: {width: 99, height: 201}"),
    ("color", "gray"),
    (
        "color",
        "levels: {black: 20, white: 180, output_white: 240}",
    ),
    ("gray", "levels: {output_black: 255, output_white: 0}"),
    ("color", "gamma: {gamma: 2.2}"),
    ("dark", "gamma: {gamma: 0.45}"),
    ("dark", "stretch"),
    ("color", "stretch: {low_percent: 5, high_percent: 0}"),
    ("color", "equalize"),
    ("dark", "equalize"),
    ("color", "denoise"),
    ("gray", "denoise: {method: median, radius: 4}"),
    (
        "color",
        "denoise: {method: bilateral, radius: 3, sigma_value: 40}",
    ),
    ("color", "sharpen"),
    ("gray", "sharpen: {sigma: 3.3, amount: 2.5, threshold: 6}"),
    ("color", "binarize"),
    ("text", "binarize: {method: adaptive, radius: 8}"),
    (
        "color",
        "redact: {areas: [{x: 1, y: 2, width: 9, height: 5}], fill: 128}",
    ),
    ("gray", "regions"),
];

#[test]
fn pixels_are_those_of_the_golden_file() {
    let mut lines = String::new();
    for (input, steps) in CASES {
        let image = applied(steps, &picture(&format!("input/{input}.png")));
        let hash = hex(&image.pixel_sha256());
        let (width, height) = (image.width(), image.height());
        writeln!(lines, "{input}\t{steps}\t{width}x{height}\t{hash}").unwrap();
    }
    for name in JPEGS {
        let hash = hex(&picture(&format!("jpeg/{name}.jpg")).pixel_sha256());
        writeln!(lines, "{name}.jpg\tdecoded\t{hash}").unwrap();
    }
    let path = fixture("golden.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    for (golden, ours) in golden.lines().zip(lines.lines()) {
        assert_eq!(golden, ours);
    }
    assert_eq!(golden.lines().count(), CASES.len() + JPEGS.len());
}

#[test]
fn every_step_has_a_golden_case() {
    for name in Step::NAMES {
        let has_case = CASES.iter().any(|(_, steps)| {
            steps
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        assert!(has_case, "{name} has no case");
    }
}

#[test]
fn presets_have_golden_pixels() {
    let mut lines = String::new();
    let texts = Preset::ALL
        .into_iter()
        .flat_map(|preset| std::iter::once(preset.yaml()).chain(preset.variants().iter().copied()));
    for text in texts {
        let pipeline = parse(text, Purpose::Case).unwrap();
        for input in ["color", "text", "dark"] {
            let image = picture(&format!("input/{input}.png"));
            let run = Run::new(&pipeline, image.into(), &[], Start::default()).unwrap();
            let last = run.last().unwrap().unwrap();
            let hash = hex(&last.image.pixel_sha256());
            writeln!(lines, "{}\t{input}\t{hash}", pipeline.name).unwrap();
        }
    }
    let path = fixture("golden-presets.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);
}

fn largest_difference(one: &Image, other: &Image) -> u8 {
    let pairs = one.pixels().iter().zip(other.pixels());
    pairs
        .map(|(one, other)| one.abs_diff(*other))
        .max()
        .unwrap_or(0)
}

#[test]
fn independent_programs_come_to_the_same_pixels() {
    let text = std::fs::read_to_string(fixture("references.tsv")).unwrap();
    let mut compared = 0;
    let mut broken = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [file, input, steps, tolerance, maker] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let theirs = picture(file);
        let ours = applied(steps, &picture(&format!("input/{input}.png")));
        let size = |image: &Image| (image.width(), image.height(), image.channels());
        assert_eq!(size(&ours), size(&theirs), "{file}");
        let off = largest_difference(&ours, &theirs);
        if off > tolerance.parse().unwrap() {
            broken.push(format!(
                "{file}: {off} off, {tolerance} allowed against {maker}"
            ));
        }
        compared += 1;
    }
    assert!(compared >= 30, "only {compared} references");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// What was drawn slanted by 4.3° is found to a tenth.
#[test]
fn the_skew_that_was_drawn_is_found() {
    let text = picture("input/text.png");
    let degrees = |image: &Image| {
        let Step::Deskew(_) = &pipeline("deskew").steps[0] else {
            panic!("no deskew")
        };
        pipeline("deskew").steps[0].apply(image).unwrap().findings[0].value
    };
    assert!((degrees(&text) - 4.3).abs() <= 0.15, "{}", degrees(&text));
    let level = applied("deskew", &text);
    assert!(degrees(&level).abs() <= 0.3, "{}", degrees(&level));
    let mirrored = applied(
        "rotate: {degrees: -8.6} | crop: {x: 15, y: 15, width: 120, height: 60}",
        &text,
    );
    assert!(
        (degrees(&mirrored) + 4.3).abs() <= 0.3,
        "{}",
        degrees(&mirrored)
    );
}
