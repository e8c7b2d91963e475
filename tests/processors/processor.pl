#!/usr/bin/perl
# A processor as somebody else may write it, by the line protocol alone. With perl-base and nothing more.
#
#   perl processor.pl STAGE [START]           what it does is in the task's "staged_file"; START is how it begins
#   perl processor.pl STAGE --by PROGRAM …    each task is done by a program that works as a job
use strict;
use warnings;
use Fcntl ':flock';

$| = 1;
$SIG{CHLD} = 'IGNORE';
my ($stage, $start, @program) = @ARGV;
$start //= '';
my $scratch = $ENV{SCRATCH} // '/tmp';

sub slow { select undef, undef, undef, 0.01 }
sub note { open my $file, '>>', "$scratch/$_[0]" or die; print $file "$_[1]\n"; close $file }

# Answers of several processes: one line at a time.
sub answer {
    my ($id, $rest) = @_;
    open my $lock, '>', "$scratch/answering" or die "cannot lock: $!";
    flock $lock, LOCK_EX;
    print qq({"id":$id,$rest}\n);
    close $lock;
}

sub by_job {
    my ($id, $task) = @_;
    my $name = "$scratch/$stage-$$-$id";
    open my $file, '>', "$name.task" or die "cannot write: $!";
    print $file $task;
    close $file;
    $SIG{CHLD} = 'DEFAULT';
    system @program, $stage, '--task', "$name.task", '--output', "$name.output";
    open my $output, '<', "$name.output" or exit 1;
    local $/;
    my $said = <$output>;
    unlink "$name.task", "$name.output";
    $said =~ s/^\s*\{(.*)\}\s*$/$1/s or exit 1;
    answer($id, $said);
}

my %begins = (
    silent => sub { sleep 60 },
    other => sub { print "pc9 processor ready\n"; sleep 60 },
    hello => sub { print "hello\n"; sleep 60 },
    chatty => sub { print "Loading kernels ...\n{\"level\":\"info\",\"msg\":\"one moment\"}\n" },
    grandchild => sub { exec 'sleep', '60' unless fork },
);
my %does = (
    yes => sub { answer($_[0], '"err_msg":null,"output":true') },
    bare => sub { answer($_[0], '"output":true') },
    bad => sub { answer($_[0], '"err_msg":"bad luck","output":null') },
    shape => sub { answer($_[0], '"err_msg":null,"output":7') },
    nothing => sub { answer($_[0], '"what":1') },
    twice => sub { answer($_[0], '"err_msg":null,"output":true'); answer($_[0], '"err_msg":"no","output":null') },
    chatter => sub { print "progress 50%\n\n[1, 2]\n"; answer($_[0], '"err_msg":null,"output":true') },
    broken => sub { print qq({"id":$_[0],"err_msg":nul\n) },
    anonymous => sub { print qq({"err_msg":null,"output":true}\n) },
    stranger => sub { answer($_[0] + 70, '"err_msg":null,"output":true') },
    long => sub { my $part = 'x' x 1000000; print $part for 1 .. 100; sleep 60 },
    dies => sub { print STDERR "out of luck\n"; kill 9, $$ },
    crashes => sub { print STDERR "panicked\n"; exit 101 },
    mute => sub { close STDOUT; sleep 60 },
    deaf => sub { close STDIN; note('deaf', $$); sleep 60 },
    hangs => sub { },
);

note('starts', $$);
if ($start =~ /^exit (\d+)/) { print STDERR "no device\n"; exit $1 }
$begins{$start}->() if $begins{$start};
print "$stage processor ready\n";
while (my $line = <STDIN>) {
    my ($id, $task) = $line =~ /^\{"id":(\d+),"task":(.*)\}$/ or next;
    if ($start eq '--by') {
        unless (fork) { by_job($id, $task); exit }
        next;
    }
    my ($what) = $task =~ /"staged_file":"([^"]*)"/;
    note('tasks', $what // $task);
    if (!defined $what) { answer($id, qq("err_msg":null,"output":{"length":@{[length $task]}})) }
    elsif ($what =~ /^wait (.*)/) {
        my $for = $1;
        unless (fork) { slow() until -e $for; $does{yes}->($id); exit }
    }
    else { $does{$what}->($id) }
}
note('ends', $$);
