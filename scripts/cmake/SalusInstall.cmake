# Installed package: filled by the packaging step.
