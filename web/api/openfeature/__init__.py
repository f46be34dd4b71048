"""OpenFeature's Remote Evaluation Protocol (OFREP 0.3.0): its providers ask for placements as flags."""
