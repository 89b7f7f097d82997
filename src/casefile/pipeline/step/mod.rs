//! The steps that a pipeline is made of: a closed list, each with its parameters.
//!
//! None invents anything: every output pixel is a function of input pixels that is written down in
//! the step's own module, and comes out the same on every machine. All are written here and none is
//! taken from a library, because image libraries choose their arithmetic by the processor. A step is
//! *basic* when it does what a darkroom does (cut, turn, lighten) and *advanced* when its output
//! needs to be explained (filters, thresholds, corrections whose amount the program found).

mod binarize;
mod crop;
mod denoise;
mod deskew;
mod equalize;
mod gamma;
mod gray;
mod levels;
mod perspective;
mod redact;
mod regions;
mod resize;
mod rotate;
mod sharpen;
mod stretch;

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use super::image::{Image, SizeError};

pub use binarize::{Binarize, Threshold};
pub use crop::Crop;
pub use denoise::{Denoise, Smoothing};
pub use deskew::Deskew;
pub use equalize::Equalize;
pub use gamma::Gamma;
pub use gray::Gray;
pub use levels::Levels;
pub use perspective::Perspective;
pub use redact::Redact;
pub use regions::{Kind, Regions};
pub use resize::Resize;
pub use rotate::Rotate;
pub use sharpen::Sharpen;
pub use stretch::Stretch;

/// How much explanation a step's output needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// What a darkroom does too.
    Basic,
    /// To be explained to who looks at the output.
    Advanced,
}

impl Grade {
    /// As reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Advanced => "advanced",
        }
    }
}

/// A number that a step found in the picture and worked with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is, units last.
    pub name: &'static str,
    /// How much.
    pub value: f64,
}

/// What a step made.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The picture.
    pub image: Image,
    /// What was found on the way, in a fixed order.
    pub findings: Vec<Finding>,
}

impl From<Image> for Applied {
    fn from(image: Image) -> Self {
        Self {
            image,
            findings: Vec::new(),
        }
    }
}

/// A parameter that makes no sense; nothing was done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParameterError {
    /// Outside of its range.
    #[error("`{name}` is {value}; it must lie within {lowest} to {highest}")]
    Range {
        /// The parameter.
        name: &'static str,
        /// What it is.
        value: String,
        /// The least that it may be.
        lowest: String,
        /// The most.
        highest: String,
    },
    /// Does not go with the others.
    #[error("{0}")]
    Conflict(&'static str),
}

/// A picture that the step cannot work on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StepError {
    /// It would come out empty or too large.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A rectangle or point that is not in the picture.
    #[error("{what} reaches outside of the picture of {width} × {height} pixels")]
    Outside {
        /// The rectangle or point.
        what: String,
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// More than detail can be seen in.
    #[error(
        "{width} × {height} pixels cannot become {to_width} × {to_height}: a side changes by a \
         factor of 1/64 to 4, more shows nothing that was not there"
    )]
    Factor {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
        /// Pixels per row asked for.
        to_width: u64,
        /// Rows asked for.
        to_height: u64,
    },
}

/// What every step's parameters can do.
trait Operation: Serialize + DeserializeOwned {
    /// Fills in what follows from the other parameters, and refuses what makes no sense.
    fn settle(&mut self) -> Result<(), ParameterError>;
    /// The output for this picture.
    fn apply(&self, image: &Image) -> Result<Applied, StepError>;
}

/// A rectangle in pixels, from the upper left corner of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Columns left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            x,
            y,
            width,
            height,
        } = self;
        write!(f, "the rectangle {x},{y},{width},{height}")
    }
}

impl Area {
    fn check(&self) -> Result<(), ParameterError> {
        if self.width == 0 || self.height == 0 {
            return Err(ParameterError::Conflict(
                "`width` and `height` must be 1 or more",
            ));
        }
        Ok(())
    }

    fn require_inside(&self, image: &Image) -> Result<(), StepError> {
        let ends = |from: u32, length: u32| u64::from(from) + u64::from(length);
        let inside = ends(self.x, self.width) <= u64::from(image.width())
            && ends(self.y, self.height) <= u64::from(image.height());
        if inside {
            return Ok(());
        }
        Err(StepError::Outside {
            what: self.to_string(),
            width: image.width(),
            height: image.height(),
        })
    }

    /// The pixels inside of it, which must be in the picture.
    pub(super) fn cut(&self, image: &Image) -> Result<Image, StepError> {
        self.require_inside(image)?;
        let channels = image.channels().count();
        let left = self.x as usize * channels;
        Ok(Image::by_rows(
            self.width,
            self.height,
            image.channels(),
            |y, row| {
                row.copy_from_slice(&image.row(self.y + y)[left..][..row.len()]);
            },
        )?)
    }
}

fn within<T>(name: &'static str, value: T, range: RangeInclusive<T>) -> Result<(), ParameterError>
where
    T: PartialOrd + fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    Err(ParameterError::Range {
        name,
        value: value.to_string(),
        lowest: range.start().to_string(),
        highest: range.end().to_string(),
    })
}

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident $name:literal $grade:ident;)*) => {
        /// One step with its parameters.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Step {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Step {
            /// The names of all steps.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// As pipelines write it.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// How much explanation its output needs.
            pub const fn grade(&self) -> Grade {
                match self { $(Self::$variant(_) => Grade::$grade,)* }
            }

            /// Fills in what follows from the other parameters, and refuses what makes no sense.
            pub fn settle(&mut self) -> Result<(), ParameterError> {
                match self { $(Self::$variant(step) => step.settle(),)* }
            }

            /// The output for this picture.
            pub fn apply(&self, image: &Image) -> Result<Applied, StepError> {
                match self { $(Self::$variant(step) => step.apply(image),)* }
            }

            /// The parameters as JSON, in the order of their declaration.
            pub fn params_json(&self) -> String {
                let json = match self { $(Self::$variant(step) => serde_json::to_string(step),)* };
                json.expect("parameters are plain numbers, words and lists")
            }

            /// The step that a node records, from its name and its parameters: for repeating it.
            pub fn recorded(name: &str, params_json: &str) -> Result<Self, serde_json::Error> {
                Self::read(name, Recorded(params_json))
            }

            /// From its name and its parameters, wherever they come from.
            fn read<'de, R: Parameters<'de>>(name: &str, from: R) -> Result<Self, R::Error> {
                match name {
                    $($name => from.read().map(Self::$variant),)*
                    _ => Err(de::Error::unknown_variant(name, Self::NAMES)),
                }
            }
        }
    };
}

steps! {
    /// A rectangle of the picture.
    Crop "crop" Basic;
    /// Turned clockwise.
    Rotate "rotate" Basic;
    /// Turned until its lines are level.
    Deskew "deskew" Advanced;
    /// Four points made a rectangle.
    Perspective "perspective" Advanced;
    /// Larger or smaller.
    Resize "resize" Basic;
    /// Without colours.
    Gray "gray" Basic;
    /// Black and white points.
    Levels "levels" Basic;
    /// Lighter or darker middle tones.
    Gamma "gamma" Basic;
    /// Black and white points found in the picture.
    Stretch "stretch" Basic;
    /// All tones made equally frequent.
    Equalize "equalize" Advanced;
    /// Noise smoothed away.
    Denoise "denoise" Advanced;
    /// Edges made steeper.
    Sharpen "sharpen" Advanced;
    /// Black and white alone.
    Binarize "binarize" Advanced;
    /// Rectangles painted over.
    Redact "redact" Basic;
    /// One branch per region: the only step with several outputs.
    Regions "regions" Basic;
}

/// Where parameters come from: a map behind the step's name, or nothing but the name.
trait Parameters<'de> {
    type Error: de::Error;
    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error>;
}

struct Defaults<E>(std::marker::PhantomData<E>);

impl<E: de::Error> Parameters<'_> for Defaults<E> {
    type Error = E;

    fn read<T: DeserializeOwned>(self) -> Result<T, E> {
        T::deserialize(MapDeserializer::new(std::iter::empty::<((), ())>()))
    }
}

struct Entry<'m, M>(&'m mut M);

impl<'de, M: MapAccess<'de>> Parameters<'de> for Entry<'_, M> {
    type Error = M::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, M::Error> {
        match self.0.next_value::<Option<T>>()? {
            Some(parameters) => Ok(parameters),
            None => Defaults(std::marker::PhantomData).read(),
        }
    }
}

struct Recorded<'t>(&'t str);

impl Parameters<'_> for Recorded<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step: its name, or `name: {parameters}`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Step, E> {
        Step::read(name, Defaults(std::marker::PhantomData))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Step, M::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let step = Step::read(&name, Entry(&mut map))?;
        match map.next_key::<String>()? {
            None => Ok(step),
            Some(_) => Err(de::Error::custom(
                "a step has one name; begin the next step with `-`, and indent parameters",
            )),
        }
    }
}
