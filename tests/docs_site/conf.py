# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the documentation site, after those of 'antsibull-docs sphinx-init' without any network."""

project = "netbind.privport"
copyright = "the netbind.privport authors"
title = html_short_title = "netbind.privport"
extensions = ["sphinx_antsibull_ext", "myst_parser"]
# A link of a page to one of its own headings.
myst_heading_anchors = 3
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
# Options and paths are written as they are typed.
smartquotes = False
html_theme = "sphinx_ansible_theme"
html_show_sphinx = html_show_sourcelink = False
html_use_index = False
html_copy_source = False
default_role = "any"
