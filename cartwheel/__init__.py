"""What every part of Cartwheel shares: settings, contracts, the lake, the warehouse, the command line."""
