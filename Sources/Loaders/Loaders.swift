// Loaders
