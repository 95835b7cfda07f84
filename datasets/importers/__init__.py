"""Importers: other laboratories' recordings into a dataset folder."""

from kinefed.datasets.importers._registry import (
    IMPORTERS,
    Imported,
    Importer,
    ImportOptions,
    import_dataset,
)

__all__ = ["IMPORTERS", "ImportOptions", "Imported", "Importer", "import_dataset"]
