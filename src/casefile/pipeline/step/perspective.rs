//! Four points of the picture made the corners of a rectangle, as if seen from in front.
//!
//! The map from the rectangle to the quadrilateral is Heckbert's (Fundamentals of Texture Mapping,
//! 1989, 2.2.3), in + − × ÷ alone; the default size takes the longer of opposite edges.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::{Image, SIDE_MAX};
use crate::casefile::pipeline::math::round;
use crate::casefile::pipeline::sample::Filter;

/// The quadrilateral, and the size of the rectangle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perspective {
    /// x and y of the upper left, upper right, lower right and lower left corner, in pixels from the
    /// picture's upper left corner: the whole picture is (0, 0), (width, 0), (width, height), (0, height).
    pub points: [[f64; 2]; 4],
    /// Columns of the output; the longer of the upper and lower edge by default.
    #[serde(default)]
    pub width: Option<u32>,
    /// Rows of the output; the longer of the left and right edge by default.
    #[serde(default)]
    pub height: Option<u32>,
    /// How values between pixels are made.
    #[serde(default)]
    pub filter: Filter,
}

/// As with resizing.
const FACTOR_MAX: u32 = 4;

impl Perspective {
    fn edge(&self, from: usize, to: usize) -> f64 {
        let [dx, dy] = [0, 1].map(|axis| self.points[to][axis] - self.points[from][axis]);
        (dx * dx + dy * dy).sqrt()
    }

    /// Turns right at every corner, so that it is convex and not mirrored.
    fn is_proper(&self) -> bool {
        (0..4).all(|at| {
            let [a, b, c] = [0, 1, 2].map(|next| self.points[(at + next) % 4]);
            let cross = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]);
            cross > 0.0
        })
    }
}

impl Operation for Perspective {
    fn settle(&mut self) -> Result<(), ParameterError> {
        for value in self.points.as_flattened_mut() {
            *value += 0.0;
            within("points", *value, 0.0..=f64::from(SIDE_MAX))?;
        }
        if !self.is_proper() {
            return Err(ParameterError::Conflict(
                "`points` must go clockwise around a convex quadrilateral: upper left, upper right, \
                 lower right, lower left",
            ));
        }
        let length = |one: f64, other: f64| round(one.max(other)).max(1) as u32;
        let natural_width = length(self.edge(0, 1), self.edge(3, 2));
        let natural_height = length(self.edge(0, 3), self.edge(1, 2));
        let width = *self.width.get_or_insert(natural_width);
        let height = *self.height.get_or_insert(natural_height);
        within("width", width, 1..=natural_width * FACTOR_MAX)?;
        within("height", height, 1..=natural_height * FACTOR_MAX)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        if let Some([x, y]) = self.points.iter().find(|[x, y]| *x > width || *y > height) {
            return Err(StepError::Outside {
                what: format!("the point {x},{y}"),
                width: image.width(),
                height: image.height(),
            });
        }
        let map = Map::new(self.points);
        let to_width = self.width.unwrap_or(image.width());
        let to_height = self.height.unwrap_or(image.height());
        let channels = image.channels().count();
        let seen = Image::by_rows(to_width, to_height, image.channels(), |row_y, row| {
            let v = (f64::from(row_y) + 0.5) / f64::from(to_height);
            for (column, out) in (0..to_width).zip(row.chunks_exact_mut(channels)) {
                let u = (f64::from(column) + 0.5) / f64::from(to_width);
                let (x, y) = map.at(u, v);
                self.filter.sample(image, x, y, out);
            }
        });
        Ok(seen?.into())
    }
}

/// From the unit square to the quadrilateral: x = (a u + b v + c) / (g u + h v + 1), y likewise.
struct Map {
    x: [f64; 3],
    y: [f64; 3],
    below: [f64; 2],
}

impl Map {
    /// Of a proper quadrilateral, whose determinant is positive.
    fn new([p0, p1, p2, p3]: [[f64; 2]; 4]) -> Self {
        let [dx1, dy1] = [p1[0] - p2[0], p1[1] - p2[1]];
        let [dx2, dy2] = [p3[0] - p2[0], p3[1] - p2[1]];
        let [sx, sy] = [0, 1].map(|axis| p0[axis] - p1[axis] + p2[axis] - p3[axis]);
        let determinant = dx1 * dy2 - dy1 * dx2;
        let g = (sx * dy2 - sy * dx2) / determinant;
        let h = (dx1 * sy - dy1 * sx) / determinant;
        let row = |axis: usize| {
            [
                p1[axis] - p0[axis] + g * p1[axis],
                p3[axis] - p0[axis] + h * p3[axis],
                p0[axis],
            ]
        };
        Self {
            x: row(0),
            y: row(1),
            below: [g, h],
        }
    }

    fn at(&self, u: f64, v: f64) -> (f64, f64) {
        let below = self.below[0] * u + self.below[1] * v + 1.0;
        let line = |[a, b, c]: [f64; 3]| (a * u + b * v + c) / below;
        (line(self.x), line(self.y))
    }
}
