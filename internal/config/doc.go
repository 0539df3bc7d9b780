// Package config reads the one YAML file of a node. Unknown keys are errors with
// their line, every field has a default that works, and `cityproof-node check`
// says what is wrong before anything starts. An old file works with a new node.
//
// Secrets are never in the file, only the paths of key files. Relative paths are
// taken from the folder of the configuration file.
package config
