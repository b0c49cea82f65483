//! The text exposition format, as far as tests ask about it.

/// The sum of all samples named `name` whose labels include `labels`; `None` when there is no such sample.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let samples: Vec<f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| {
            let (found, found_labels) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|(label, value)| found_labels.contains(&format!("{label}=\"{value}\"")))
        })
        .map(|(_, value)| value.parse().unwrap())
        .collect();
    (!samples.is_empty()).then(|| samples.iter().sum())
}

#[test]
fn samples_are_summed_by_name_and_labels() {
    let text = "# HELP a 3\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\nab 9\n";
    assert_eq!(sum(text, "a", &[("x", "1")]), Some(7.0));
    assert_eq!(sum(text, "a", &[("y", "3")]), Some(4.0));
    assert_eq!(sum(text, "b", &[]), None);
}
