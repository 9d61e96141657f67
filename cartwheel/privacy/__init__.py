"""Privacy: erasing a person, keeping them out afterwards, and dropping what is past its age. See docs/privacy.md."""
