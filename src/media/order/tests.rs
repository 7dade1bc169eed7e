use proptest::prelude::*;

use super::*;

/// Asserts that `sorted` is in order, every pair of it.
fn check(sorted: &[&str]) {
    for (index, a) in sorted.iter().enumerate() {
        for b in &sorted[index + 1..] {
            assert_eq!(natural_order(a, b), Ordering::Less, "{a} before {b}");
            assert_eq!(natural_order(b, a), Ordering::Greater, "{b} after {a}");
        }
    }
}

#[test]
fn digits_are_numbers() {
    check(&["1.mp3", "2.mp3", "10.mp3", "0100.mp3", "18446744073709551616.mp3", "18446744073709551617.mp3"]);
}

#[test]
fn case_does_not_matter_until_nothing_else_does() {
    check(&["A.mp3", "a.mp3", "B.mp3", "c.mp3"]);
    check(&["И.mp3", "й.mp3", "К.mp3"]);
    check(&["CD1/1.mp3", "CD1/2.mp3", "cd1/1.mp3", "CD2/1.mp3"]);
}

#[test]
fn a_folder_s_files_come_before_its_folders() {
    check(&["99.mp3", "A/1.mp3", "A/2.mp3", "A/Bonus/1.mp3", "B/1.mp3", "CD 2/1.mp3", "CD 10/1.mp3"]);
}

#[test]
fn the_extension_is_not_part_of_the_name() {
    check(&["Song.mp3", "Song (live).mp3"]);
    check(&["01.flac", "01.mp3", "1.flac", "02.flac"]);
}

/// The file after `current` by its path.
fn next<'a>(files: &[&'a str], current: &str) -> Option<&'a str> {
    let current = files.iter().position(|path| *path == current).expect("the test names one of its files");
    next_audio(files, current).map(|index| files[index])
}

#[test]
fn an_album_of_two_discs() {
    let files = [
        "CD10/01.flac",
        "CD2/01.flac",
        "CD1/10.flac",
        "CD1/2.FLAC",
        "CD1/cover.jpg",
        "CD1/._3.flac",
        "CD1/9.cue",
    ];
    assert_eq!(next(&files, "CD1/2.FLAC"), Some("CD1/10.flac"));
    assert_eq!(next(&files, "CD1/10.flac"), Some("CD2/01.flac"));
    assert_eq!(next(&files, "CD2/01.flac"), Some("CD10/01.flac"));
    assert_eq!(next(&files, "CD10/01.flac"), None);
    assert_eq!(next(&files, "CD1/9.cue"), Some("CD1/10.flac"));
    assert_eq!(next_audio(&files, files.len()), None);
    assert_eq!(next_audio(&[], 0), None);
}

#[test]
fn an_album_in_two_formats_stays_in_the_one_played() {
    let files = ["01.flac", "01.mp3", "02.flac", "02.mp3", "03.mp3"];
    assert_eq!(next(&files, "01.flac"), Some("02.flac"));
    assert_eq!(next(&files, "01.mp3"), Some("02.mp3"));
    assert_eq!(next(&files, "02.flac"), Some("03.mp3"));
}

#[test]
fn a_film_among_the_tracks_is_passed_over() {
    let files = ["01.mp3", "02 clip.mp4", "03.mp3", "04 clip.mp4"];
    assert_eq!(next(&files, "01.mp3"), Some("03.mp3"));
    assert_eq!(next(&files, "03.mp3"), None);
    assert_eq!(next(&files, "02 clip.mp4"), Some("03.mp3"));
}

#[test]
fn a_path_that_occurs_twice_is_no_trap() {
    let files = ["1.mp3", "1.mp3", "2.mp3"];
    assert_eq!(next_audio(&files, 0), Some(2));
    assert_eq!(next_audio(&files, 1), Some(2));
}

/// Paths from few characters, so that ties and prefixes are frequent.
fn path() -> impl Strategy<Value = String> {
    "([aAbİ01239 .-]{0,4}/){0,2}[aAbİ01239 .-]{0,5}(\\.mp3|\\.flac|\\.MP3|\\.txt)?"
}

/// Numbers by value, letters by code: what `tokens` must agree with, for short ASCII names.
fn naive_key(name: &str) -> Vec<(u8, u64)> {
    let mut key = Vec::new();
    let mut in_number = false;
    for letter in name.chars().flat_map(char::to_lowercase) {
        match (letter.to_digit(10), key.last_mut()) {
            (Some(digit), Some((0, number))) if in_number => *number = *number * 10 + u64::from(digit),
            (Some(digit), _) => key.push((0, u64::from(digit))),
            (None, _) => key.push((1, u64::from(u32::from(letter)))),
        }
        in_number = letter.is_ascii_digit();
    }
    key
}

proptest! {
    #[test]
    fn it_is_a_total_order(a in path(), b in path(), c in path()) {
        prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
        prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
        if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
            prop_assert!(natural_order(&a, &c).is_le(), "{a:?} <= {b:?} <= {c:?}");
        }
    }

    #[test]
    fn names_compare_as_by_value(a in "[aB019 ]{0,8}", b in "[aB019 ]{0,8}") {
        prop_assert_eq!(tokens(&a).cmp(tokens(&b)), naive_key(&a).cmp(&naive_key(&b)));
    }

    #[test]
    fn any_text_can_be_compared(a in any::<String>(), b in any::<String>()) {
        prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
    }

    /// From the first track on, `next_audio` walks strictly upwards and meets every track once, copies aside.
    #[test]
    fn the_walk_meets_every_track(paths in proptest::collection::btree_set(path(), 0..12)) {
        let files: Vec<&str> = paths.iter().map(String::as_str).collect();
        let audio = |index: &usize| MediaType::by_name(files[*index]).is_some();
        let mut at = (0..files.len()).filter(audio).min_by(|a, b| natural_order(files[*a], files[*b]));
        let mut met = Vec::new();
        while let Some(index) = at {
            at = next_audio(&files, index);
            prop_assert!(at.is_none_or(|next| natural_order(files[index], files[next]).is_lt()));
            met.push(index);
        }
        for index in (0..files.len()).filter(audio) {
            prop_assert!(met.iter().any(|other| is_copy(files[*other], files[index])), "{index} missed");
        }
    }
}
