// The programs of a Kubernetes control plane in one: each sub-command is one of them.
//
//	controlplane [--until-stdin-closes] [--remove FOLDER] PROGRAM [arguments of the program]
//
// With --until-stdin-closes the program ends as soon as its standard input does. Whoever starts it holds the other end
// of that pipe, so that nothing is left behind even by a parent that is killed. --remove deletes a folder then.
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	_ "time/tzdata" // CronJobs name time zones

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// A program takes its arguments without its own name, and returns the exit code.
type program func(arguments []string) int

var programs = map[string]program{
	"certificates":            certificates,
	"etcd":                    etcd,
	"kube-apiserver":          component(apiserver.NewAPIServerCommand),
	"kube-controller-manager": component(controllers.NewControllerManagerCommand),
	"kube-scheduler":          component(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kwok":                    kubelets,
}

func main() {
	arguments := os.Args[1:]
	watched, folder := false, ""
	for len(arguments) > 0 && strings.HasPrefix(arguments[0], "--") {
		switch {
		case arguments[0] == "--until-stdin-closes":
			watched, arguments = true, arguments[1:]
		case arguments[0] == "--remove" && len(arguments) > 1:
			folder, arguments = arguments[1], arguments[2:]
		default:
			usage()
		}
	}
	if len(arguments) == 0 {
		usage()
	}
	run, known := programs[arguments[0]]
	if !known {
		usage()
	}
	if watched {
		go endWithStdin(folder)
	}
	// What the programs read for themselves must not see the options above.
	os.Args = arguments
	os.Exit(run(arguments[1:]))
}

func usage() {
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: controlplane [--until-stdin-closes] [--remove FOLDER] PROGRAM [ARGUMENT]...\nprograms: %s\n",
		strings.Join(names, ", "))
	os.Exit(2)
}

func endWithStdin(folder string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	os.Exit(0)
}

func component(command func() *cobra.Command) program {
	return func(arguments []string) int {
		c := command()
		c.SetArgs(arguments)
		return cli.Run(c)
	}
}

func etcd(arguments []string) int {
	etcdmain.Main(append([]string{"etcd"}, arguments...))
	return 0
}

// kwok stands in for the kubelets of all nodes.
func kubelets(arguments []string) int {
	if err := playKubelets(arguments); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}

func playKubelets(arguments []string) error {
	// The other programs have put a --version of theirs there, which cobra would take for its own.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		return err
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	command.SetArgs(arguments)
	return command.ExecuteContext(ctx)
}
