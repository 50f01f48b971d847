"""The commands of `slipway`, by what they are about; each module registers its own."""
