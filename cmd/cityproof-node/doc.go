// Command cityproof-node runs one city's node: its log, the API to publish and
// read, and what an operator needs to look after it.
//
//	cityproof-node demo                       a whole node on this machine, with sample declarations
//	cityproof-node init --city ID --url URL --dir DIR
//	cityproof-node run --config FILE
//
// `cityproof-node help` lists the rest.
package main
