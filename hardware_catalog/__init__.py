"""Hardware, prices and export rules as dated, sourced data, and the code that reads and checks them.

catalog        load(): accelerators, instance types, regions, offers of a directory
quotes         read_quotes(): a user's own offers
checks         check(): what the data must satisfy
export_rules   decide(): dated law on accelerators
"""
