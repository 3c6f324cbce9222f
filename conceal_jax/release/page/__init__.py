"""The local page that shows a photo beside its concealed picture."""
