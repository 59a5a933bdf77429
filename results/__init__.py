"""What came out? Records in, tables, comparisons and reports out. Nothing here imports torch or an adapter."""
