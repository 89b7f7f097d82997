//! Pipelines for what people ask most, compiled in.
//!
//! A preset is a text like any other and frozen like any other. Plates have variants beside the
//! first: what one threshold swallows another shows, and readings of all are compared.

/// A pipeline that is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Number plates and other small print.
    Plate,
    /// Parcels and their labels.
    Parcel,
    /// Faces, for people to look at.
    Face,
    /// Pictures taken in the dark.
    Night,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plate, Self::Parcel, Self::Face, Self::Night];

    /// As typed behind `--preset`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Parcel => "parcel",
            Self::Face => "face",
            Self::Night => "night",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its text.
    pub const fn yaml(self) -> &'static str {
        match self {
            Self::Plate => include_str!("presets/plate.yaml"),
            Self::Parcel => include_str!("presets/parcel.yaml"),
            Self::Face => include_str!("presets/face.yaml"),
            Self::Night => include_str!("presets/night.yaml"),
        }
    }

    /// Texts that prepare the cut-out region for reading, each in its own way.
    pub const fn variants(self) -> &'static [&'static str] {
        match self {
            Self::Plate | Self::Parcel => &[
                include_str!("presets/read-plain.yaml"),
                include_str!("presets/read-smooth.yaml"),
                include_str!("presets/read-stretched.yaml"),
                include_str!("presets/read-otsu.yaml"),
                include_str!("presets/read-adaptive.yaml"),
            ],
            Self::Face | Self::Night => &[],
        }
    }
}
