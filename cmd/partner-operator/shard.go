package main

import "github.com/spf13/pflag"

// noShards answers those who still divide the partners.
const noShards = "partners are not divided any more, since one process has them all: remove the flag, and run one Deployment"

// hide keeps a flag that is no longer there out of the help.
func hide(flags *pflag.FlagSet, name string) {
	if err := flags.MarkHidden(name); err != nil {
		panic(err) // it was just added
	}
}

func addShard(flags *pflag.FlagSet, given *string) {
	flags.StringVar(given, "shard", "", "")
	hide(flags, "shard")
}
