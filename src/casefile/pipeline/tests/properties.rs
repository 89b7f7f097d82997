use proptest::prelude::*;

use super::*;
use crate::casefile::pipeline::step::StepError;

prop_compose! {
    fn any_image()(width in 1_u32..24, height in 1_u32..24, is_gray in any::<bool>())(
        pixels in proptest::collection::vec(
            any::<u8>(), (width * height) as usize * if is_gray { 1 } else { 3 }
        ),
        width in Just(width), height in Just(height), is_gray in Just(is_gray),
    ) -> Image {
        let channels = if is_gray { Channels::Gray } else { Channels::Rgb };
        Image::new(width, height, channels, pixels).unwrap().unwrap()
    }
}

/// Steps with every parameter at hand, for pictures of any size.
fn any_step() -> impl Strategy<Value = String> {
    let filter = prop_oneof![Just("nearest"), Just("bilinear"), Just("bicubic")];
    prop_oneof![
        (-3600_i32..3600, filter.clone(), any::<u8>()).prop_map(|(tenths, filter, fill)| format!(
            "rotate: {{degrees: {}, filter: {filter}, fill: {fill}}}",
            f64::from(tenths) / 10.0
        )),
        (0_u32..=45).prop_map(|most| format!("deskew: {{max_degrees: {most}}}")),
        (1_u32..=40, filter).prop_map(|(tenths, filter)| format!(
            "resize: {{factor: {}, filter: {filter}}}",
            f64::from(tenths) / 10.0
        )),
        Just("gray".to_owned()),
        (0_u8..100, 101_u8.., any::<u8>(), any::<u8>()).prop_map(|(black, white, low, high)| {
            format!(
                "levels: {{black: {black}, white: {white}, output_black: {low}, output_white: {high}}}"
            )
        }),
        (1_u32..=100).prop_map(|tenths| format!("gamma: {{gamma: {}}}", f64::from(tenths) / 10.0)),
        (0_u32..=49, 0_u32..=49)
            .prop_map(|(low, high)| format!("stretch: {{low_percent: {low}, high_percent: {high}}}")),
        Just("equalize".to_owned()),
        (1_u32..=5).prop_map(|radius| format!("denoise: {{radius: {radius}}}")),
        (1_u32..=5, 1_u32..255).prop_map(|(radius, sigma)| format!(
            "denoise: {{method: bilateral, radius: {radius}, sigma_value: {sigma}}}"
        )),
        (3_u32..=50, 0_u32..=50, any::<u8>()).prop_map(|(sigma, amount, threshold)| format!(
            "sharpen: {{sigma: {}, amount: {}, threshold: {threshold}}}",
            f64::from(sigma) / 10.0,
            f64::from(amount) / 10.0
        )),
        Just("binarize".to_owned()),
        (1_u32..=200, -100_i32..=100).prop_map(|(radius, offset)| format!(
            "binarize: {{method: adaptive, radius: {radius}, offset: {offset}}}"
        )),
    ]
}

/// One with three corners of the picture and one moved inwards.
fn whole_picture(image: &Image) -> String {
    let (w, h) = (image.width(), image.height());
    format!("perspective: {{points: [[0, 0], [{w}, 0], [{w}, {h}], [0, {h}]], filter: ")
}

proptest! {
    #[test]
    fn identity_parameters_change_nothing(image in any_image()) {
        let (w, h) = (image.width(), image.height());
        let full = format!("crop: {{x: 0, y: 0, width: {w}, height: {h}}}");
        let same_size = format!("resize: {{width: {w}, height: {h}, filter: bilinear}}");
        let mut steps = vec![
            full.as_str(),
            same_size.as_str(),
            "rotate: {degrees: 0}",
            "rotate: {degrees: -360, filter: bicubic}",
            "deskew: {max_degrees: 0}",
            "resize: {factor: 1}",
            "resize: {factor: 1, filter: nearest}",
            "levels",
            "gamma: {gamma: 1}",
            "sharpen: {amount: 0}",
            "sharpen: {amount: 5, threshold: 255}",
            "denoise: {method: bilateral, radius: 3, sigma_value: 0.1}",
            "regions",
        ];
        let whole = ["nearest}", "bilinear}", "bicubic}"].map(|filter| whole_picture(&image) + filter);
        steps.extend(whole.iter().map(String::as_str));
        for step in steps {
            prop_assert_eq!(&applied(step, &image), &image, "{}", step);
        }
    }

    #[test]
    fn the_full_range_is_not_stretched(mut pixels in proptest::collection::vec(any::<u8>(), 2..60)) {
        pixels[0] = 0;
        pixels[1] = 255;
        let image = Image::new(pixels.len() as u32, 1, Channels::Gray, pixels);
        let image = image.unwrap().unwrap();
        let stretched = applied("stretch: {low_percent: 0, high_percent: 0}", &image);
        prop_assert_eq!(stretched, image);
    }

    #[test]
    fn four_quarters_are_a_whole_turn(image in any_image(), clockwise in any::<bool>()) {
        let quarter = if clockwise { "rotate: {degrees: 90}" } else { "rotate: {degrees: -90}" };
        let once = applied(quarter, &image);
        prop_assert_eq!((once.width(), once.height()), (image.height(), image.width()));
        let all = [quarter; 4].join(" | ");
        prop_assert_eq!(applied(&all, &image), image);
    }

    #[test]
    fn a_crop_is_the_rectangle_or_refused(
        image in any_image(), x in 0_u32..30, y in 0_u32..30, width in 1_u32..30, height in 1_u32..30
    ) {
        let step = pipeline(&format!("crop: {{x: {x}, y: {y}, width: {width}, height: {height}}}"));
        let result = step.steps[0].apply(&image);
        if x + width > image.width() || y + height > image.height() {
            let is_outside = matches!(result, Err(StepError::Outside { .. }));
            prop_assert!(is_outside);
        } else {
            let cut = result.unwrap().image;
            let channels = image.channels().count();
            for row in 0..height {
                let from = ((y + row) * image.width() + x) as usize * channels;
                let to = (row * width) as usize * channels;
                let length = width as usize * channels;
                prop_assert_eq!(&cut.pixels()[to..to + length], &image.pixels()[from..from + length]);
            }
        }
    }

    #[test]
    fn redacting_changes_the_rectangle_alone(image in any_image(), fill in any::<u8>()) {
        let (w, h) = (image.width().div_ceil(2), image.height().div_ceil(2));
        let step = format!("redact: {{areas: [{{x: 0, y: 0, width: {w}, height: {h}}}], fill: {fill}}}");
        let redacted = applied(&step, &image);
        let channels = image.channels().count();
        let stride = image.width() as usize * channels;
        for (at, (ours, before)) in redacted.pixels().iter().zip(image.pixels()).enumerate() {
            let inside = at / stride < h as usize && at % stride < w as usize * channels;
            prop_assert_eq!(*ours, if inside { fill } else { *before });
        }
    }

    #[test]
    fn one_tone_stays_one_tone(value in any::<u8>(), step in any_step()) {
        // Turning brings in the fill.
        prop_assume!(!step.starts_with("rotate"));
        let flat = Image::new(9, 7, Channels::Gray, vec![value; 63]).unwrap().unwrap();
        let out = applied(&step, &flat);
        prop_assert!(out.pixels().iter().all(|pixel| *pixel == out.pixels()[0]), "{}", step);
        let keeps = ["resize", "denoise", "sharpen", "deskew", "stretch", "equalize", "gray"];
        if keeps.iter().any(|name| step.starts_with(name)) {
            prop_assert_eq!(out.pixels()[0], value, "{}", step);
        }
    }

    #[test]
    fn black_and_white_is_black_and_white_and_stays_so(image in any_image()) {
        let once = applied("binarize", &image);
        prop_assert!(once.pixels().iter().all(|value| matches!(value, 0 | 255)));
        prop_assert_eq!(applied("binarize", &once), once);
    }

    #[test]
    fn the_same_steps_give_the_same_pixels_in_any_order_and_on_any_thread(
        images in proptest::collection::vec(any_image(), 1..5),
        steps in proptest::collection::vec(any_step(), 1..4),
    ) {
        let steps = steps.join(" | ");
        let hashes = |images: &[Image]| -> Vec<_> {
            images.iter().map(|image| applied(&steps, image).pixel_sha256()).collect()
        };
        let once = hashes(&images);
        let mut backwards: Vec<_> = images.clone();
        backwards.reverse();
        let mut twice = hashes(&backwards);
        twice.reverse();
        prop_assert_eq!(&once, &twice);
        let on_threads: Vec<_> = std::thread::scope(|scope| {
            let each = images.iter().map(|image| {
                let image = std::slice::from_ref(image);
                scope.spawn(|| hashes(image)[0])
            });
            let handles: Vec<_> = each.collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        prop_assert_eq!(&once, &on_threads);
    }

    #[test]
    fn freezing_what_was_frozen_changes_nothing(
        steps in proptest::collection::vec(any_step(), 1..6)
    ) {
        let first = pipeline(&steps.join(" | "));
        let frozen = first.freeze();
        let again = parse(&frozen.text, Purpose::Case).unwrap();
        prop_assert_eq!(&again.steps, &first.steps);
        prop_assert_eq!(again.freeze(), frozen);
        prop_assert!(again.foreign_tools().is_empty());
    }

    #[test]
    fn what_a_node_records_repeats_it(image in any_image(), step in any_step()) {
        let step = &pipeline(&step).steps[0];
        let recorded = Step::recorded(step.name(), &step.params_json()).unwrap();
        prop_assert_eq!(&recorded, step);
        prop_assert_eq!(recorded.apply(&image), step.apply(&image));
    }
}

#[test]
fn a_picture_is_never_made_larger_than_the_bound() {
    let wide = Image::new(4_000, 1_000, Channels::Gray, vec![0; 4_000_000]);
    let wide = wide.unwrap().unwrap();
    let refused = pipeline("resize: {factor: 4}").steps[0].apply(&wide);
    assert!(matches!(refused, Err(StepError::Size(_))), "{refused:?}");
    let small = Image::new(20, 10, Channels::Gray, vec![0; 200])
        .unwrap()
        .unwrap();
    let refused = pipeline("resize: {height: 41}").steps[0].apply(&small);
    assert!(
        matches!(refused, Err(StepError::Factor { .. })),
        "{refused:?}"
    );
    assert!(
        pipeline("resize: {height: 40}").steps[0]
            .apply(&small)
            .is_ok()
    );
}
