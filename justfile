# What scripts/ does, for those who have just installed. Every recipe is a script or one cargo line.

# Everything that must hold
test:
    scripts/test

# The same without the crash suite
quick:
    scripts/test quick

# A night on the box, with a broker of its own
up:
    cargo run --release -- up

# Measurements, as ratios against something measured in the same run
bench:
    scripts/bench

# The crash suite in its long form
crash kills="1000":
    scripts/crash --kills {{kills}}

# Write the fixture stream anew
night:
    scripts/make-night
