"""Writes the dashboards' files anew."""

from deploy.dashboards.files import file, texts

if __name__ == "__main__":
    for name, text in texts().items():
        file(name).write_text(text)
