"""Readers of the accepted file formats: geometry only, every size checked before it is used.

Each reader takes bytes and limits and returns a `RawMesh`. None opens a file, follows a
reference or loads a texture, so a hostile upload reaches nothing but its own bytes.
"""
