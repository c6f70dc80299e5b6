//! Draws how the figures grow, as SVG; both axes are logarithmic.

use std::fmt::Write as _;

use crate::{Figures, median};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 64.0;

/// One line of a picture.
struct Series {
    name: &'static str,
    colour: &'static str,
    value: fn(&Figures) -> f64,
}

const SERIES: [Series; 4] = [
    Series {
        name: "full sync, ms",
        colour: "#888888",
        value: |figures| figures.first_sync.milliseconds(),
    },
    Series {
        name: "one changed, p50 ms",
        colour: "#0b6e99",
        value: |figures| median(&figures.one),
    },
    Series {
        name: "one changed, processor µs per Envoy",
        colour: "#15803d",
        value: Figures::processor_of_one,
    },
    Series {
        name: "KB per Envoy",
        colour: "#b45309",
        value: Figures::kilobytes_per_envoy,
    },
];

/// One picture for each number that grows, side by side.
pub fn draw(pictures: &[(&str, &[(usize, Figures)])]) -> String {
    let outer = WIDTH + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n",
        outer * pictures.len() as f64,
        HEIGHT + 2.0 * MARGIN
    );
    for (place, (grows, figures)) in pictures.iter().enumerate() {
        let left = outer * place as f64 + MARGIN;
        let axes = Axes::around(left, figures);
        // Writing to a text does not fail.
        let _ = axes.draw(&mut svg, grows, figures);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where values stand in one picture.
struct Axes {
    left: f64,
    across: (f64, f64),
    up: (f64, f64),
}

impl Axes {
    fn around(left: f64, figures: &[(usize, Figures)]) -> Self {
        let steps = figures.iter().map(|(step, _)| *step as f64);
        let values = SERIES.iter().flat_map(|series| {
            let values = figures.iter().map(|(_, figures)| (series.value)(figures));
            values.map(|value| value.max(0.1))
        });
        Self {
            left,
            across: decades(steps),
            up: decades(values),
        }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + WIDTH * share(value, self.across)
    }

    fn y(&self, value: f64) -> f64 {
        MARGIN + HEIGHT * (1.0 - share(value.max(0.1), self.up))
    }

    fn draw(
        &self,
        svg: &mut String,
        grows: &str,
        figures: &[(usize, Figures)],
    ) -> std::fmt::Result {
        let (bottom, right) = (MARGIN + HEIGHT, self.left + WIDTH);
        for decade in lines(self.up) {
            let y = self.y(decade);
            writeln!(
                svg,
                "<path d=\"M{:.0} {y:.0}H{right:.0}\" stroke=\"#dddddd\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{decade}</text>",
                self.left,
                self.left - 6.0,
                y + 4.0
            )?;
        }
        for (step, _) in figures {
            let x = self.x(*step as f64);
            writeln!(
                svg,
                "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{step}</text>",
                bottom + 16.0
            )?;
        }
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{grows}</text>",
            self.left + WIDTH / 2.0,
            bottom + 34.0
        )?;
        for (number, series) in SERIES.iter().enumerate() {
            let Series {
                name,
                colour,
                value,
            } = series;
            let points = figures.iter().map(|(step, figures)| {
                let (x, y) = (self.x(*step as f64), self.y(value(figures)));
                format!("{x:.1},{y:.1}")
            });
            let points: Vec<String> = points.collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\">{name}</text>",
                points.join(" "),
                self.left,
                14.0 + 13.0 * number as f64
            )?;
        }
        Ok(())
    }
}

/// The powers of ten around the values, as exponents.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        low = low.min(value.log10().floor());
        high = high.max(value.log10().ceil());
    }
    (low, high.max(low + 1.0))
}

fn lines((low, high): (f64, f64)) -> impl Iterator<Item = f64> {
    (low as i32..=high as i32).map(|exponent| 10_f64.powi(exponent))
}

fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    (value.log10() - low) / (high - low)
}
