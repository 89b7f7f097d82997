//! Joining recordings with messages and motions, in the odd cases.

use super::*;
use crate::base::clock::DAY_NS;

/// A recording of the porch; start in seconds after midnight, and its length.
fn clip(started: Option<i64>, length: Option<f64>) -> NewEvent {
    let found = Found {
        path: Vec::new(),
        size_bytes: 7,
        modified_at: MIDNIGHT + 100 * SECOND_NS,
        camera: Some("porch".into()),
        started_at: started.map(|second| MIDNIGHT + second * SECOND_NS),
        media: Media {
            duration_s: length,
            ..Media::default()
        },
    };
    at(MIDNIGHT, CLIP, found)
}

fn said(file: &str, started: Option<i64>, ended: Option<i64>) -> Finished {
    Finished {
        camera: "porch".into(),
        file: file.into(),
        trigger: Some(Trigger::Motion),
        started_at: started.map(|second| MIDNIGHT + second * SECOND_NS),
        ended_at: ended.map(|second| MIDNIGHT + second * SECOND_NS),
        fps: None,
        frame_count: None,
        extra: Extra::new(),
    }
}

fn message(started: Option<i64>, ended: Option<i64>) -> NewEvent {
    at(MIDNIGHT, "camera/porch", said("a%b.mp4", started, ended))
}

fn moved(seconds: i64, detection: Option<Detection>) -> NewEvent {
    let motion = MotionStarted {
        detection,
        ..MotionStarted::default()
    };
    at(MIDNIGHT + seconds * SECOND_NS, "camera/porch", motion)
}

fn told(steps: &[NewEvent]) -> Bench {
    let mut bench = Bench::new();
    for step in steps {
        bench.tell(step);
    }
    bench
}

/// Start and end in seconds after midnight, and whether the start is a guess.
fn times(steps: &[NewEvent]) -> (i64, Option<i64>, bool) {
    let mut bench = told(steps);
    let number = |value: &Owned| match value {
        Owned::Integer(number) => Some(*number),
        _ => None,
    };
    let mut session = bench.database.snapshot().unwrap();
    let rows = all(
        &mut session,
        "SELECT started_at, ended_at, start_estimated FROM recordings",
        &[],
        |row| Ok([row.owned(0)?, row.owned(1)?, row.owned(2)?]),
    )
    .unwrap();
    let [[start, end, estimated]] = &rows[..] else {
        panic!("one recording");
    };
    let second = |value| number(value).map(|at| (at - MIDNIGHT) / SECOND_NS);
    let estimated = number(estimated) == Some(1);
    (second(start).unwrap(), second(end), estimated)
}

fn event_ids(steps: &[NewEvent]) -> Vec<i64> {
    told(steps).ints("SELECT coalesce(event_id, 0) FROM recordings")
}

#[test]
fn a_start_that_nobody_tells_is_estimated_and_said_to_be() {
    assert_eq!(times(&[clip(None, Some(6.0))]), (94, Some(100), true));
    assert_eq!(times(&[clip(None, None)]), (100, None, true));
    assert_eq!(
        times(&[clip(Some(10), Some(6.0))]),
        (10, Some(16), false),
        "the path tells"
    );
    let mut bench = told(&[clip(None, Some(6.0))]);
    assert_eq!(
        bench.view("recordings", &["start", "integrity", "kept", "thumbnail"]),
        [[text("estimated"), Owned::Null, Owned::Null, Owned::Null]]
    );
}

#[test]
fn times_follow_from_what_is_told_whichever_comes_first() {
    for (file, message, want) in [
        // Told by the message alone, in full.
        (
            clip(None, None),
            (Some(10), Some(20)),
            (10, Some(20), false),
        ),
        // The message knows the start, the file its length.
        (
            clip(None, Some(6.0)),
            (Some(10), None),
            (10, Some(16), false),
        ),
        // The message knows the end.
        (
            clip(None, Some(6.0)),
            (None, Some(50)),
            (44, Some(50), false),
        ),
        (
            clip(Some(10), Some(6.0)),
            (None, Some(17)),
            (10, Some(17), false),
        ),
        // Its start beats that of the path, and moves the end.
        (
            clip(Some(10), Some(6.0)),
            (Some(12), None),
            (12, Some(18), false),
        ),
        // Nonsense: an end before the start.
        (
            clip(None, Some(6.0)),
            (Some(20), Some(10)),
            (20, Some(26), false),
        ),
        // Nothing.
        (clip(None, Some(6.0)), (None, None), (94, Some(100), true)),
    ] {
        let message = self::message(message.0, message.1);
        assert_eq!(times(&[file.clone(), message.clone()]), want);
        assert_eq!(times(&[message, file]), want);
    }
}

#[test]
fn a_recording_of_unknown_length_is_linked_by_its_first_minute() {
    let clip = clip(Some(1_000), None);
    assert_eq!(event_ids(&[moved(1_060, None), clip.clone()]), [1]);
    assert_eq!(event_ids(&[clip.clone(), moved(1_060, None)]), [2]);
    assert_eq!(event_ids(&[clip.clone(), moved(1_061, None)]), [0]);
    assert_eq!(event_ids(&[moved(1_061, None), clip.clone()]), [0]);
    assert_eq!(event_ids(&[clip, moved(990, None)]), [2]);
}

#[test]
fn pre_roll_and_motions_that_outlast_the_recording_are_linked() {
    let clip = clip(Some(100), Some(10.0));
    // The camera keeps what was before the motion.
    assert_eq!(
        event_ids(&[clip.clone(), moved(105, None), motion_end(200)]),
        [2]
    );
    assert_eq!(
        event_ids(&[moved(105, None), motion_end(200), clip.clone()]),
        [1]
    );
    // The motion began before the camera woke up.
    assert_eq!(
        event_ids(&[moved(95, None), clip.clone(), motion_end(300)]),
        [1]
    );
    // An end that belongs to no motion changes nothing.
    assert_eq!(
        event_ids(&[motion_end(101), moved(95, None), clip.clone()]),
        [2]
    );
    // A second end neither.
    let ends = [moved(95, None), motion_end(105), motion_end(96), clip];
    assert_eq!(event_ids(&ends), [1]);
}

#[test]
fn the_first_motion_is_linked_and_the_first_detection_is_shown() {
    let clip = clip(Some(100), Some(60.0));
    let seen = [
        moved(105, None),
        moved(120, Some(Detection::Person)),
        moved(130, Some(Detection::Vehicle)),
    ];
    // By their own times, in whatever order they arrive.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        for clip_at in 0..4 {
            let mut steps: Vec<_> = order.iter().map(|step| seen[*step].clone()).collect();
            steps.insert(clip_at, clip.clone());
            let mut bench = told(&steps);
            let first = steps.iter().position(|step| *step == seen[0]).unwrap() as i64 + 1;
            assert_eq!(bench.ints("SELECT event_id FROM recordings"), [first]);
            assert_eq!(
                bench.view("recordings", &["detection_type"]),
                [[text("person")]]
            );
        }
    }
}

#[test]
fn a_message_is_forgotten_with_the_sealing_and_not_before() {
    let hints = "SELECT count(*) FROM recording_hints";
    let mut bench = told(&[message(Some(10), Some(20)), clip(None, None)]);
    assert_eq!(bench.ints(hints), [1]);
    // Found again, because the file grew: the message still holds.
    bench.tell(&clip(None, Some(9.0)));
    assert_eq!(
        bench.ints("SELECT started_at FROM recordings"),
        [MIDNIGHT + 10 * SECOND_NS]
    );
    bench.tell(&sealed(CLIP));
    assert_eq!(bench.ints(hints), [0]);
    // Another recording of that name gets nothing of it.
    bench.tell(&clip(None, Some(6.0)));
    assert_eq!(
        bench.ints("SELECT trigger IS NULL FROM recordings ORDER BY id"),
        [0, 1]
    );
    // A message that comes after the sealing is used up at once.
    let mut late = told(&[clip(None, None), sealed(CLIP), message(Some(10), None)]);
    assert_eq!(late.ints(hints), [0]);
    assert_eq!(late.view("recordings", &["trigger"]), [[text("MOTION")]]);
}

#[test]
fn messages_about_files_that_never_come_are_forgotten_with_time() {
    let hints = "SELECT count(*) FROM recording_hints";
    let said_at = |days: i64, file: &str| {
        let when = MIDNIGHT + days * DAY_NS;
        at(when, "camera/porch", said(file, None, None))
    };
    let mut bench = told(&[said_at(0, "x.mp4"), said_at(7, "y.mp4")]);
    assert_eq!(bench.ints(hints), [2]);
    bench.tell(&said_at(8, "z.mp4"));
    assert_eq!(bench.ints(hints), [2], "the first of them is too old");
}

#[test]
fn a_message_of_another_day_is_about_another_recording() {
    let day = 2 * DAY_NS / SECOND_NS;
    let mut bench = told(&[clip(Some(10), Some(6.0)), message(Some(day), Some(day + 6))]);
    assert_eq!(bench.view("recordings", &["trigger"]), [[Owned::Null]]);
    // An estimate proves nothing: the file may have been copied.
    let mut bench = told(&[clip(None, Some(6.0)), message(Some(day), Some(day + 6))]);
    assert_eq!(bench.view("recordings", &["trigger"]), [[text("MOTION")]]);
}
