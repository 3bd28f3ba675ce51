"""IP lists: entries, services, filters, forms, pages, import and export."""
