"""What can be measured of a run, and the scales and populations it is modelled on."""
