// PageTracker
